//! A schema as a graph: which subschemas it has, and which of them look at the same or at a deeper place of
//! the payload. Every keyword of every draft counts, also where the draft at hand would ignore it: the
//! graph may be larger than what is checked, never smaller.

use std::collections::{HashMap, HashSet};

use referencing::{Draft, Registry, Resolver, Retrieve, Uri};
use serde_json::{Map, Value};

use super::SchemaFault;

/// Where a subschema looks, seen from the schema that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look<'a> {
    /// At the same place.
    Here,
    /// At the property of this name.
    Property(&'a str),
    /// At properties whose name matches a pattern.
    Pattern,
    /// At the properties that the schema's own `properties` and `patternProperties` leave over.
    OtherProperties,
    /// At the element at this index.
    Item(usize),
    /// At the elements from this index on.
    ItemsFrom(usize),
    /// At any element.
    AnyItem,
    /// At the names of properties, which have nothing inside.
    Names,
    /// Nowhere unless a `$ref` comes by: `$defs`.
    Shelved,
}

/// From one subschema to another.
pub(super) struct Edge<'a> {
    pub look: Look<'a>,
    pub to: usize,
}

/// One subschema.
pub(super) struct Node<'a> {
    pub schema: &'a Value,
    /// The schema that it was found in and the segments from there, for [`Graph::pointer`].
    found: Option<(usize, &'a str, Segment<'a>)>,
    /// A pointer, where it was found by a `$ref` into no man's land.
    referenced: Option<String>,
    pub edges: Vec<Edge<'a>>,
    /// Has `unevaluatedProperties` or `unevaluatedItems`: what lies in place is checked again to tell
    /// which parts of the payload it has seen.
    pub unevaluated: bool,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    None,
    Name(&'a str),
    Index(usize),
}

/// All subschemas, the root first.
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
}

/// Keywords with one subschema.
const ONE: [(&str, Look<'static>); 12] = [
    ("additionalItems", Look::ItemsFrom(0)),
    ("additionalProperties", Look::OtherProperties),
    ("contains", Look::AnyItem),
    ("contentSchema", Look::Names),
    ("else", Look::Here),
    ("if", Look::Here),
    ("items", Look::ItemsFrom(0)),
    ("not", Look::Here),
    ("propertyNames", Look::Names),
    ("then", Look::Here),
    ("unevaluatedItems", Look::ItemsFrom(0)),
    ("unevaluatedProperties", Look::OtherProperties),
];

/// Keywords with a list of subschemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

/// Keywords with subschemas by name.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

impl<'a> Graph<'a> {
    /// Finds all subschemas. References are resolved by the crate that the validator resolves them with, so
    /// both see the same targets, `$id` and `$anchor` included; nothing is fetched.
    pub fn new(schema: &'a Value, draft: Draft, registry: &'a Registry<'a>) -> Result<Self, SchemaFault> {
        let mut found = Finder {
            nodes: Vec::new(),
            resolvers: Vec::new(),
            known: HashMap::new(),
            inside: HashSet::new(),
            draft,
        };
        found.remember_addresses(schema);
        found.add(schema, registry.resolver(base_uri(draft, schema)?), None, None);
        let mut next = 0;
        while next < found.nodes.len() {
            found.expand(next)?;
            next += 1;
        }
        Ok(Self { nodes: found.nodes })
    }

    /// The JSON Pointer of a subschema.
    pub fn pointer(&self, node: usize) -> String {
        pointer(&self.nodes, node)
    }
}

fn pointer(nodes: &[Node<'_>], node: usize) -> String {
    let mut segments = Vec::new();
    let mut node = &nodes[node];
    while let Some((parent, keyword, segment)) = node.found {
        match segment {
            Segment::None => {}
            Segment::Name(name) => segments.push(escape(name)),
            Segment::Index(index) => segments.push(index.to_string()),
        }
        segments.push(escape(keyword));
        node = &nodes[parent];
    }
    let mut pointer = node.referenced.clone().unwrap_or_default();
    for segment in segments.iter().rev() {
        pointer.push('/');
        pointer.push_str(segment);
    }
    pointer
}

/// A name as a segment of a JSON Pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Everything that a reference in the schema can be resolved to.
pub(super) fn registry(schema: &Value, draft: Draft) -> Result<Registry<'_>, SchemaFault> {
    Registry::new()
        .retriever(Nothing)
        .draft(draft)
        .add(base_uri(draft, schema)?.as_str(), draft.create_resource_ref(schema))
        .and_then(referencing::RegistryBuilder::prepare)
        .map_err(|error| SchemaFault {
            pointer: String::new(),
            message: format!("the references of the schema cannot be read: {error}"),
        })
}

/// Answers every request for a document with an empty one, which then is found to lie outside.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Value::Object(Map::new()))
    }
}

/// The base that the validator gives a document without an id of its own.
const NO_ID: &str = "json-schema:///";

/// The URI under which the schema's own references start.
fn base_uri(draft: Draft, schema: &Value) -> Result<Uri<String>, SchemaFault> {
    let id = draft.create_resource_ref(schema).id().unwrap_or(NO_ID).to_owned();
    referencing::uri::from_str(&id).map_err(|_| SchemaFault {
        pointer: format!("/{}", draft.id_keyword()),
        message: "is no URI: leave it out or write a full one".to_owned(),
    })
}

struct Finder<'a> {
    nodes: Vec<Node<'a>>,
    resolvers: Vec<Resolver<'a>>,
    /// Subschemas by address.
    known: HashMap<usize, usize>,
    /// Every value of the document by address: what a reference may point to.
    inside: HashSet<usize>,
    draft: Draft,
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

impl<'a> Finder<'a> {
    fn remember_addresses(&mut self, value: &'a Value) {
        self.inside.insert(address(value));
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.remember_addresses(item)),
            Value::Object(members) => members.values().for_each(|member| self.remember_addresses(member)),
            _ => {}
        }
    }

    fn add(
        &mut self,
        schema: &'a Value,
        resolver: Resolver<'a>,
        found: Option<(usize, &'a str, Segment<'a>)>,
        referenced: Option<String>,
    ) -> usize {
        let next = self.nodes.len();
        let node = *self.known.entry(address(schema)).or_insert(next);
        if node == next {
            self.nodes.push(Node { schema, found, referenced, edges: Vec::new(), unevaluated: false });
            self.resolvers.push(resolver);
        }
        node
    }

    fn fault(&self, node: usize, keyword: &str, message: &str) -> SchemaFault {
        let pointer = format!("{}/{}", pointer(&self.nodes, node), escape(keyword));
        SchemaFault { pointer, message: message.to_owned() }
    }

    /// Finds what one subschema leads to.
    fn expand(&mut self, node: usize) -> Result<(), SchemaFault> {
        let Value::Object(schema) = self.nodes[node].schema else { return Ok(()) };
        self.refuse(node, schema)?;
        let by_index = if self.draft == Draft::Draft202012 { "prefixItems" } else { "items" };
        let own_items = schema.get(by_index).and_then(Value::as_array).map_or(0, Vec::len);
        for (keyword, look) in ONE {
            let look = match look {
                Look::ItemsFrom(_) => Look::ItemsFrom(own_items),
                look => look,
            };
            if let Some((keyword, value)) = schema.get_key_value(keyword)
                && (value.is_object() || value.is_boolean())
            {
                self.link(node, look, keyword, Segment::None, value)?;
                self.nodes[node].unevaluated |= keyword.starts_with("unevaluated");
            }
        }
        for keyword in LIST {
            let Some((keyword, Value::Array(items))) = schema.get_key_value(keyword) else { continue };
            for (index, value) in items.iter().enumerate() {
                let by_index = matches!(keyword.as_str(), "items" | "prefixItems");
                let look = if by_index { Look::Item(index) } else { Look::Here };
                self.link(node, look, keyword, Segment::Index(index), value)?;
            }
        }
        for keyword in NAMED {
            let Some((keyword, Value::Object(members))) = schema.get_key_value(keyword) else { continue };
            for (name, value) in members {
                let look = match keyword.as_str() {
                    "properties" => Look::Property(name),
                    "patternProperties" => Look::Pattern,
                    "$defs" | "definitions" => Look::Shelved,
                    _ => Look::Here,
                };
                self.link(node, look, keyword, Segment::Name(name), value)?;
            }
        }
        self.follow(node, schema)
    }

    fn link(
        &mut self,
        node: usize,
        look: Look<'a>,
        keyword: &'a str,
        segment: Segment<'a>,
        value: &'a Value,
    ) -> Result<(), SchemaFault> {
        // anything else is refused by the meta-schema, or is the name list of `dependencies`
        if value.is_object() || value.is_boolean() {
            // an `$id` in it is a base for what it refers to
            let resolver = self.resolvers[node]
                .in_subresource(self.draft.create_resource_ref(value))
                .map_err(|_| self.fault(node, keyword, "has an id that is no URI reference"))?;
            let to = self.add(value, resolver, Some((node, keyword, segment)), None);
            self.nodes[node].edges.push(Edge { look, to });
        }
        Ok(())
    }

    /// Follows `$ref`. The target may lie where no keyword leads, in a folder of the author's own.
    fn follow(&mut self, node: usize, schema: &'a Map<String, Value>) -> Result<(), SchemaFault> {
        let Some(Value::String(reference)) = schema.get("$ref") else { return Ok(()) };
        let resolved = self.resolvers[node].lookup(reference).map_err(|_| {
            self.fault(
                node,
                "$ref",
                "leads nowhere inside this document: write the schema into it, under $defs",
            )
        })?;
        let (target, resolver, _) = resolved.into_inner();
        if !self.inside.contains(&address(target)) {
            let message =
                "leads out of this document, and nothing is fetched: copy the schema into it, under $defs";
            return Err(self.fault(node, "$ref", message));
        }
        let to = self.add(target, resolver, None, reference.strip_prefix('#').map(str::to_owned));
        self.nodes[node].edges.push(Edge { look: Look::Here, to });
        Ok(())
    }

    /// What no bound can be told for.
    fn refuse(&self, node: usize, schema: &Map<String, Value>) -> Result<(), SchemaFault> {
        for keyword in ["$dynamicRef", "$recursiveRef"] {
            if schema.get(keyword).is_some_and(Value::is_string) {
                let message = "is not supported, for where it leads depends on who asks: use $ref";
                return Err(self.fault(node, keyword, message));
            }
        }
        if let Some(Value::String(uri)) = schema.get("$schema")
            && Draft::from_schema_uri(uri) != self.draft
        {
            let message = "names another draft than the document: write all of it in one draft";
            return Err(self.fault(node, "$schema", message));
        }
        Ok(())
    }
}
