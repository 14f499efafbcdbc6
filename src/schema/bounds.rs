//! Which schemas are refused at save because checking a payload against them could cost too much.
//!
//! One place of the payload is checked by a schema and by everything that lies *in place* within it (`$ref`,
//! `allOf`, `anyOf`, `oneOf`, `not`, `if` and so on), each as often as ways lead to it. Recursion is
//! the matter of [`super::recursion`].

use serde_json::Value;

use super::SchemaFault;
use super::graph::{Graph, Look};

/// The largest schema, written compactly.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// How deep arrays and objects of a schema may be nested, the schema itself counted.
pub const MAX_SCHEMA_DEPTH: usize = 64;

/// How many subschemas may look at one place of the payload, each counted as often as ways lead to it. The
/// subschemas in place of all `unevaluatedProperties` and `unevaluatedItems` together are held to it too.
pub const MAX_IN_PLACE: u64 = 2_000;

/// How many subschemas may be inside one another while a payload of the greatest depth is checked: each
/// takes some hundred bytes of stack.
pub const MAX_NESTED_CHECKS: u32 = 1_024;

/// How many options one `enum` may have.
pub const MAX_ENUM_OPTIONS: usize = 1_000;

/// Levels of a payload: [`crate::ingress::validate::MAX_DEPTH`] containers and what the innermost holds.
const PAYLOAD_LEVELS: usize = 128;

/// Refuses a schema that is too large to look at. Must come first: what follows recurses.
pub(super) fn check_size(schema: &Value) -> Result<(), SchemaFault> {
    let mut level: Vec<&Value> = vec![schema];
    for depth in 0.. {
        level.retain(|value| value.is_object() || value.is_array());
        if level.is_empty() {
            break;
        }
        if depth == MAX_SCHEMA_DEPTH {
            let message = format!(
                "the schema is nested deeper than {MAX_SCHEMA_DEPTH} levels: move inner schemas to $defs"
            );
            return Err(SchemaFault::of_the_whole(message));
        }
        level = level.into_iter().flat_map(children).collect();
    }
    let bytes = schema.to_string().len();
    if bytes > MAX_SCHEMA_BYTES {
        return Err(SchemaFault::of_the_whole(format!(
            "the schema has {bytes} bytes, more than {MAX_SCHEMA_BYTES}: describe less of the payload"
        )));
    }
    Ok(())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// The numbers that `multipleOf` may have: outside, a division can take thousands of digits.
pub const MULTIPLE_OF: std::ops::RangeInclusive<f64> = 1e-12..=1e15;

/// Refuses a schema that is too costly to check against. For the rest it tells how many subschemas look at one
/// place at most, the root's apart, which is there once.
pub(super) fn check(graph: &Graph<'_>) -> Result<u64, SchemaFault> {
    check_enums(graph)?;
    check_divisors(graph)?;
    let order = in_place_order(graph)?;
    let weights = check_in_place(graph, &order)?;
    check_nesting(graph, &order)?;
    let below = graph.nodes.iter().flat_map(|node| &node.edges).filter(|edge| edge.look != Look::Here);
    Ok(below.map(|edge| weights[edge.to]).max().unwrap_or(0))
}

fn check_enums(graph: &Graph<'_>) -> Result<(), SchemaFault> {
    let options = |schema: &Value| schema.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
    match graph.nodes.iter().position(|node| options(node.schema) > MAX_ENUM_OPTIONS) {
        Some(node) => Err(SchemaFault {
            pointer: format!("{}/enum", graph.pointer(node)),
            message: format!(
                "has more than {MAX_ENUM_OPTIONS} options: use a pattern, or check the value in the agent"
            ),
        }),
        None => Ok(()),
    }
}

fn check_divisors(graph: &Graph<'_>) -> Result<(), SchemaFault> {
    let divisor = |schema: &Value| schema.get("multipleOf").and_then(Value::as_f64);
    let outside =
        |schema: &Value| divisor(schema).is_some_and(|divisor| !MULTIPLE_OF.contains(&divisor.abs()));
    match graph.nodes.iter().position(|node| outside(node.schema)) {
        Some(node) => Err(SchemaFault {
            pointer: format!("{}/multipleOf", graph.pointer(node)),
            message: "must be between 1e-12 and 1e15".to_owned(),
        }),
        None => Ok(()),
    }
}

fn in_place<'g>(graph: &'g Graph<'_>, node: usize) -> impl Iterator<Item = usize> + 'g {
    graph.nodes[node].edges.iter().filter(|edge| edge.look == Look::Here).map(|edge| edge.to)
}

/// All subschemas, each after those in place within it. Refuses a schema that contains itself in place.
fn in_place_order(graph: &Graph<'_>) -> Result<Vec<usize>, SchemaFault> {
    let mut outer: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    let mut missing: Vec<usize> = vec![0; graph.nodes.len()];
    for (node, missing) in missing.iter_mut().enumerate() {
        for inner in in_place(graph, node) {
            outer[inner].push(node);
            *missing += 1;
        }
    }
    let mut order: Vec<usize> = (0..graph.nodes.len()).filter(|node| missing[*node] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for &node in &outer[order[next]] {
            missing[node] -= 1;
            if missing[node] == 0 {
                order.push(node);
            }
        }
        next += 1;
    }
    match missing.iter().position(|missing| *missing > 0) {
        Some(node) => Err(SchemaFault {
            pointer: graph.pointer(node),
            message:
                "contains itself without going any deeper into the payload: it says nothing, remove the $ref"
                    .to_owned(),
        }),
        None => Ok(order),
    }
}

fn check_in_place(graph: &Graph<'_>, order: &[usize]) -> Result<Vec<u64>, SchemaFault> {
    let mut weight = vec![1_u64; graph.nodes.len()];
    let mut unevaluated = 0_u64;
    for &node in order {
        let inner = in_place(graph, node).fold(0_u64, |sum, inner| sum.saturating_add(weight[inner]));
        // each branch is checked once for itself, and once more to tell what it has seen
        let times = if graph.nodes[node].unevaluated { 2 } else { 1 };
        weight[node] = inner.saturating_mul(times).saturating_add(1);
        if graph.nodes[node].unevaluated {
            unevaluated = unevaluated.saturating_add(weight[node]);
        }
        if weight[node].max(unevaluated) > MAX_IN_PLACE {
            return Err(SchemaFault {
                pointer: graph.pointer(node),
                message: format!(
                    "with its $ref, allOf, anyOf and so on this comes to more than {MAX_IN_PLACE} schemas for one value: reuse fewer of them in each other"
                ),
            });
        }
    }
    Ok(weight)
}

/// How many subschemas can be inside one another for a payload of so many levels, level by level.
fn check_nesting(graph: &Graph<'_>, order: &[usize]) -> Result<(), SchemaFault> {
    let mut deepest = vec![0_u32; graph.nodes.len()];
    for _ in 0..PAYLOAD_LEVELS {
        let below = deepest.clone();
        for &node in order {
            let inner = graph.nodes[node].edges.iter().map(|edge| match edge.look {
                Look::Here => deepest[edge.to],
                Look::Shelved => 0,
                _ => below[edge.to],
            });
            deepest[node] = 1 + inner.max().unwrap_or(0);
        }
        if deepest == below {
            break;
        }
    }
    match deepest.iter().position(|deepest| *deepest > MAX_NESTED_CHECKS) {
        Some(node) => Err(SchemaFault {
            pointer: graph.pointer(node),
            message: format!(
                "leads through more than {MAX_NESTED_CHECKS} schemas inside one another for a deep payload: take steps out of the chain of $ref and allOf"
            ),
        }),
        None => Ok(()),
    }
}
