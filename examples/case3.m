% Two power stations and a town, in the format of MATPOWER; powers in MW.
function mpc = case3
mpc.version = '2';
mpc.baseMVA = 100;

%	bus	type	Pd	Qd	Gs	Bs	area	Vm	Va	baseKV	zone	Vmax	Vmin
mpc.bus = [
	1	3	0	0	0	0	1	1	0	230	1	1.1	0.9;
	2	2	50	20	0	0	1	1	0	230	1	1.1	0.9;
	9	1	220	70	0	10	1	1	0	230	1	1.1	0.9;
];

%	bus	Pg	Qg	Qmax	Qmin	Vg	mBase	status	Pmax	Pmin
mpc.gen = [
	1	0	0	150	-150	1	100	1	250	10;
	2	0	0	100	-100	1	100	1	200	10;
];

%	model	startup	shutdown	n	c2	c1	c0
mpc.gencost = [
	2	0	0	3	0.1	10	100;
	2	0	0	3	0	25	0;
];

%	from	to	r	x	b	rateA	rateB	rateC	ratio	angle	status	angmin	angmax
mpc.branch = [
	1	2	0.01	0.1	0.02	150	0	0	0	0	1	-30	30;
	1	9	0.02	0.2	0.04	150	0	0	1.02	-2	1	-30	30;
	2	9	0.01	0.12	0.02	200	0	0	0	0	1	-360	360;
];
