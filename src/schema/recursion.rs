//! A schema may recurse, a tree or a list is a legitimate payload, as long as each level is met once: where two
//! ways lead from a recursive schema back into the recursion at the same child, every level of the payload
//! doubles the work. Told at save, for what such a schema costs depends on the payload alone.

use std::collections::HashSet;

use super::SchemaFault;
use super::graph::{Graph, Look};

/// Refuses recursion that may meet one place of the payload twice.
pub(super) fn check(graph: &Graph<'_>) -> Result<(), SchemaFault> {
    let component = components(graph);
    let mut size = vec![0_usize; graph.nodes.len()];
    component.iter().for_each(|name| size[*name] += 1);
    for (start, node) in graph.nodes.iter().enumerate() {
        if size[component[start]] > 1 || node.edges.iter().any(|edge| edge.to == start) {
            check_descent(graph, &component, start)?;
        }
    }
    Ok(())
}

/// Follows what lies in place from `start` and compares every step down that stays in its recursion with
/// those before it.
fn check_descent(graph: &Graph<'_>, component: &[usize], start: usize) -> Result<(), SchemaFault> {
    let mut steps = Steps::default();
    let mut waiting = vec![(start, false)];
    while let Some((node, checked_twice)) = waiting.pop() {
        let twice = checked_twice || graph.nodes[node].unevaluated;
        for edge in &graph.nodes[node].edges {
            match edge.look {
                Look::Here => waiting.push((edge.to, twice)),
                Look::Names | Look::Shelved => {}
                look if component[edge.to] == component[start]
                    && (checked_twice || steps.meet(graph, node, look)) =>
                {
                    let pointer = graph.pointer(edge.to);
                    return Err(SchemaFault { pointer, message: DOUBLED.to_owned() });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

const DOUBLED: &str = "recurses into a part of the payload that another branch of the same schema recurses into \
    too, so checking takes twice as long for every level: write the recursive property once, outside anyOf, \
    oneOf, allOf, if and unevaluatedProperties";

/// The steps down from one place: who takes them, and to where. Those by name or index are many and
/// compared by key; of the others two that meet nothing have the same owner, so they are few.
#[derive(Default)]
struct Steps<'a> {
    names: HashSet<&'a str>,
    indices: HashSet<usize>,
    keyed: Vec<(usize, Look<'a>)>,
    loose: Vec<(usize, Look<'a>)>,
}

impl<'a> Steps<'a> {
    /// Takes note of a step; true if it may come to the same child as one before.
    fn meet(&mut self, graph: &Graph<'_>, owner: usize, look: Look<'a>) -> bool {
        let step = (owner, look);
        let meets =
            |other: &(usize, Look<'_>)| may_meet(graph, *other, step) || may_meet(graph, step, *other);
        if self.loose.iter().any(meets) {
            return true;
        }
        match look {
            Look::Property(name) => {
                self.keyed.push(step);
                !self.names.insert(name)
            }
            Look::Item(index) => {
                self.keyed.push(step);
                !self.indices.insert(index)
            }
            _ => {
                let met = self.keyed.iter().any(meets);
                self.loose.push(step);
                met
            }
        }
    }
}

/// Whether two steps may come to the same child; asked in both orders.
fn may_meet(
    graph: &Graph<'_>,
    (left_owner, left): (usize, Look<'_>),
    (owner, right): (usize, Look<'_>),
) -> bool {
    let same_owner = left_owner == owner;
    match (left, right) {
        (Look::Property(name), Look::OtherProperties) => {
            let own = graph.nodes[owner].schema.get("properties");
            own.is_none_or(|properties| properties.get(name).is_none())
        }
        // whether a pattern matches a name, or what another pattern matches, is not looked into
        (Look::Property(_) | Look::Pattern, Look::Pattern) => true,
        (Look::Pattern | Look::OtherProperties, Look::OtherProperties) => !same_owner,
        (Look::Item(index), Look::ItemsFrom(from)) => index >= from,
        (Look::ItemsFrom(_), Look::ItemsFrom(_)) => !same_owner,
        (Look::Item(_) | Look::ItemsFrom(_) | Look::AnyItem, Look::AnyItem) => true,
        _ => false,
    }
}

/// For every subschema the name of its strongly connected component: those that lead to one another. Kosaraju's
/// two passes, without the call stack, for a chain of references may be thousands long.
fn components(graph: &Graph<'_>) -> Vec<usize> {
    let count = graph.nodes.len();
    let mut forward: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut backward: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (node, edges) in graph.nodes.iter().map(|node| &node.edges).enumerate() {
        for edge in edges.iter().filter(|edge| !matches!(edge.look, Look::Names | Look::Shelved)) {
            forward[node].push(edge.to);
            backward[edge.to].push(node);
        }
    }
    let mut finished = Vec::with_capacity(count);
    let mut seen = vec![false; count];
    for start in 0..count {
        visit(&forward, start, &mut seen, &mut finished);
    }
    let mut component = vec![0; count];
    let mut seen = vec![false; count];
    for &start in finished.iter().rev() {
        let mut members = Vec::new();
        visit(&backward, start, &mut seen, &mut members);
        members.into_iter().for_each(|member| component[member] = start);
    }
    component
}

/// Depth first from `start` over what is not seen yet; each node is put on the list when all behind it is.
fn visit(edges: &[Vec<usize>], start: usize, seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, 0)];
    while let Some((node, next)) = path.last_mut() {
        match edges[*node].get(*next) {
            Some(&to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            }
            None => {
                finished.push(*node);
                path.pop();
            }
        }
    }
}
