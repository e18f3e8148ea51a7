//! Splits the loop of a block where only part of it depends on iterations before.
//!
//! Strongly connected components of the dependences between the instructions of a block (Tarjan,
//! 1972) that have more than one instruction, or one that depends on itself, run in order; all
//! others see nothing of other iterations once the loops that they depend on are done (loop
//! distribution: Kennedy and McKinley, 1990).

use super::super::ir::Inst;
use super::classify::{Block, Slot};
use super::items::NONE;

/// Most loops of a block.
const MOST_PHASES: u8 = 16;

/// Decides which loop each instruction of a block belongs to.
pub fn split(block: &mut Block) {
    let is_back = |slot: &Slot| matches!(slot, Slot::Back { .. });
    let has_back = block.roles.iter().any(|role| role.slots.iter().any(is_back));
    if !has_back && !block.is_entangled {
        return;
    }
    let phases = (!block.is_entangled).then(|| phases(block)).flatten();
    let phases = phases.unwrap_or_else(|| vec![1; block.roles.len()]);
    block.n_phases = phases.iter().max().map_or(1, |most| most + 1);
    for (role, phase) in block.roles.iter_mut().zip(phases) {
        role.phase = phase;
    }
}

/// Instructions that one depends on.
fn operands(block: &Block, role: u32) -> impl Iterator<Item = (u32, bool)> + '_ {
    block.roles[role as usize].slots.iter().filter_map(|slot| match *slot {
        Slot::Same(of) => Some((of, false)),
        Slot::Back { role: of, .. } => Some((of, true)),
        _ => None,
    })
}

/// The loop of each instruction; `None` if it is not worth while.
fn phases(block: &Block) -> Option<Vec<u8>> {
    let components = Components::of(block);
    let mut phases = vec![0u8; block.roles.len()];
    for members in components.members() {
        let first = components.of[members[0] as usize];
        let is_inside = |of: u32| components.of[of as usize] == first;
        let in_order = members
            .iter()
            .any(|&role| operands(block, role).any(|(of, back)| back && is_inside(of)));
        let mut phase = 0;
        for &role in &members {
            for (of, back) in operands(block, role).filter(|(of, _)| !is_inside(*of)) {
                let before = phases[of as usize];
                phase = phase.max(before + u8::from(back && !in_order && before.is_multiple_of(2)));
            }
        }
        // Nothing waits for a store.
        let is_store = matches!(block.roles[members[0] as usize].inst, Inst::Store { .. });
        phase += u8::from((phase % 2 == 1) != in_order && !is_store);
        if phase > MOST_PHASES {
            return None;
        }
        members.iter().for_each(|&role| phases[role as usize] = phase);
    }
    is_worth_it(block, &phases).then_some(phases)
}

/// Whether enough of the block is free of iterations before to make up for the memory between.
fn is_worth_it(block: &Block, phases: &[u8]) -> bool {
    let is_free = |role: &usize| phases[*role].is_multiple_of(2);
    let is_apply = |role: &usize| matches!(block.roles[*role].inst, Inst::Apply { .. });
    let n_free = (0..phases.len()).filter(is_apply).filter(is_free).count();
    let mut crosses = vec![false; phases.len()];
    for role in 0..phases.len() {
        for (of, back) in operands(block, role as u32) {
            let (here, there) = (phases[role], phases[of as usize]);
            crosses[of as usize] |= here != there || back && here.is_multiple_of(2);
        }
    }
    let n_crossing = crosses.iter().filter(|crosses| **crosses).count();
    4 * n_free >= phases.len() && 2 * n_crossing <= n_free
}

/// Strongly connected components, those depended on first.
struct Components {
    of: Vec<u32>,
    n: u32,
}

impl Components {
    fn of(block: &Block) -> Components {
        let n = block.roles.len();
        let mut found = Components { of: vec![NONE; n], n: 0 };
        let (mut index, mut low) = (vec![NONE; n], vec![NONE; n]);
        let (mut stack, mut n_seen) = (Vec::new(), 0);
        // (instruction, operands that are seen to)
        let mut open: Vec<(u32, usize)> = Vec::new();
        for root in 0..n as u32 {
            if index[root as usize] == NONE {
                open.push((root, 0));
            }
            while let Some(&mut (role, ref mut slot)) = open.last_mut() {
                let at = role as usize;
                if *slot == 0 {
                    index[at] = n_seen;
                    low[at] = n_seen;
                    n_seen += 1;
                    stack.push(role);
                }
                let next = operands(block, role).nth(*slot);
                *slot += 1;
                if let Some((of, _)) = next {
                    if index[of as usize] == NONE {
                        open.push((of, 0));
                    } else if found.of[of as usize] == NONE {
                        low[at] = low[at].min(index[of as usize]);
                    }
                    continue;
                }
                open.pop();
                if let Some(&(user, _)) = open.last() {
                    low[user as usize] = low[user as usize].min(low[at]);
                }
                if low[at] == index[at] {
                    while let Some(member) = stack.pop() {
                        found.of[member as usize] = found.n;
                        if member == role {
                            break;
                        }
                    }
                    found.n += 1;
                }
            }
        }
        found
    }

    /// Instructions of each component.
    fn members(&self) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.n as usize];
        for (role, &of) in (0u32..).zip(&self.of) {
            members[of as usize].push(role);
        }
        members
    }
}
