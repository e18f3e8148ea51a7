//! Units from comments: `# [kg]` belongs to all declarations of its line, `# [s], [V]` to one
//! after the other, `# [m, rad]` to the entries of one vector.

use super::ast::*;
use std::sync::Arc;

/// Gives the declarations of the file their units.
pub(super) fn attach(ast: &mut Ast, source: &str) {
    let mut declared: Vec<(u32, &mut Vec<Arc<str>>)> = Vec::new();
    for statement in &mut ast.statements {
        match &mut statement.kind {
            StatementKind::Input(items) => {
                declared.extend(items.iter_mut().map(|d| (d.name.span.start, &mut d.unit)));
            }
            StatementKind::Param(items) | StatementKind::Var(items) => {
                let items = items.iter_mut().map(|item| &mut item.declared);
                declared.extend(items.map(|d| (d.name.span.start, &mut d.unit)));
            }
            StatementKind::Output(items) => {
                declared
                    .extend(items.iter_mut().map(|item| (item.name.span.start, &mut item.unit)));
            }
            StatementKind::Root(root) => {
                declared.push((root.unknown.name.span.start, &mut root.unknown.unit));
            }
            StatementKind::Ode(ode) => {
                for item in &mut ode.items {
                    if let OdeItem::State { declared: state, .. } = item {
                        declared.push((state.name.span.start, &mut state.unit));
                    }
                }
            }
            _ => {}
        }
    }
    let mut declared = declared.into_iter().peekable();
    for comment in &ast.comments {
        let line_start = source[..comment.span.start as usize].rfind('\n').map_or(0, |n| n + 1);
        while declared.next_if(|(at, _)| (*at as usize) < line_start).is_some() {}
        let groups = read(&comment.text);
        let mut n_on_line = 0;
        while let Some((_, unit)) = declared.next_if(|(at, _)| *at < comment.span.start) {
            let group = if groups.len() == 1 { groups.first() } else { groups.get(n_on_line) };
            if let Some(group) = group {
                *unit = group.iter().map(|&text| Arc::from(text)).collect();
            }
            n_on_line += 1;
        }
    }
}

/// The groups `[...]` that a comment begins with, each with its entries.
fn read(comment: &str) -> Vec<Vec<&str>> {
    let mut groups = Vec::new();
    let mut rest = comment;
    while let Some((inside, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        groups.push(inside.split(',').map(str::trim).collect());
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or("").trim_start();
    }
    groups
}
