//! What a filter may be made of, and what it costs.
//!
//! Names and functions are a closed list, so that a mistyped one is found when the agent is saved. Shapes are bounded, so
//! that the evaluation is too: it recurses as deep as the expression, and loops once for each element of what a
//! comprehension goes over, never more.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators,
};

use super::Names;
use crate::source::Fault;

/// How deep an expression may nest: each `+`, call, `.` and `[…]` is a level, a chain of `&&` or `||` is few.
pub const MAX_DEPTH: usize = 48;
/// Elements of one list in a filter, at most.
pub const MAX_LIST: usize = 100;

/// The price of evaluating one node once.
const NODE: usize = 4;
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
/// Functions, of which those make a text from a text.
const FUNCTIONS: [&str; 15] = [
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
    "dyn",
    "startsWith",
    "endsWith",
    "contains",
    "lowerAscii",
    "upperAscii",
    "trim",
    "indexOf",
];
const MAKERS: [&str; 3] = ["lowerAscii", "upperAscii", "trim"];
const OPERATORS: [&str; 19] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NOT_STRICTLY_FALSE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::CONDITIONAL,
    operators::INDEX,
    operators::IN,
];

/// What an evaluation pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Costs {
    /// For each element that a comprehension goes over.
    pub step: usize,
    /// For every 8 bytes of a text that is handed out: how often it may be read and copied after that.
    pub text: usize,
    pub uses_headers: bool,
    pub uses_agent: bool,
}

/// Takes an expression, or says what is wrong with it. Puts what [`super::payload`] hands out on the left of `==`: only
/// that knows how to compare itself with CEL's own lists.
pub(super) fn check(
    expression: &mut IdedExpr,
    places: &SourceInfo,
    text: &str,
    names: Names,
) -> Result<Costs, Fault> {
    let (variables, used) = (Vec::new(), Vec::new());
    let mut walk = Walk { places, text, names, variables, nodes: 0, reads: 1, makers: 1, used };
    walk.expression(expression, 0)?;
    if let Some(what) = no_verdict(expression, names) {
        return Err(Fault::of_the_whole(format!("must say true or false, and this is {what}")));
    }
    let uses = |name| walk.used.contains(&name);
    // a text in the filter is looked at and copied in each step
    let step = walk.nodes * NODE + text.len() / 8;
    Ok(Costs {
        step,
        text: walk.reads * walk.makers,
        uses_headers: uses("headers"),
        uses_agent: uses("agent"),
    })
}

struct Walk<'a> {
    places: &'a SourceInfo,
    text: &'a str,
    names: Names,
    /// Of the comprehension that we are in.
    variables: Vec<String>,
    nodes: usize,
    /// How often the variables of comprehensions are named.
    reads: usize,
    /// How many functions make a text from a text.
    makers: usize,
    /// Which of [`Names::all`] are.
    used: Vec<&'static str>,
}

impl Walk<'_> {
    fn fault<T>(&self, id: u64, message: impl Into<String>) -> Result<T, Fault> {
        Err(match self.places.offset_for(id) {
            Some((start, _)) => Fault::at(self.text, start as usize, message),
            None => Fault::of_the_whole(message),
        })
    }

    fn expression(&mut self, expression: &mut IdedExpr, depth: usize) -> Result<(), Fault> {
        let id = expression.id;
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return self.fault(id, format!("nests deeper than {MAX_DEPTH} levels: split it with && or ||"));
        }
        match &mut expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(id, name),
            Expr::Select(select) => self.select(id, select, depth),
            Expr::Call(call) => self.call(id, call, depth),
            Expr::List(list) => {
                if list.elements.len() > MAX_LIST {
                    return self.fault(id, format!("a list may have at most {MAX_LIST} elements"));
                }
                for element in &mut list.elements {
                    if matches!(element.expr, Expr::List(_) | Expr::Comprehension(_)) {
                        return self.fault(element.id, "a list may hold no other list");
                    }
                    self.expression(element, depth + 1)?;
                }
                Ok(())
            }
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension, depth),
            Expr::Map(_) | Expr::Struct(_) => self.fault(id, "{…} is not taken in a filter"),
            Expr::Unspecified => self.fault(id, "is not finished"),
        }
    }

    fn name(&mut self, id: u64, name: &str) -> Result<(), Fault> {
        if self.variables.iter().any(|variable| variable == name) {
            self.reads += 1;
            return Ok(());
        }
        if let Some(known) = self.names.all().iter().find(|known| **known == name) {
            self.used.push(known);
            return Ok(());
        }
        if name.starts_with('@') || TYPES.contains(&name) {
            return Ok(());
        }
        self.fault(id, format!("there is no `{name}`: {}", self.names.hint(name)))
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr, depth: usize) -> Result<(), Fault> {
        let (ours, facts) = self.names.facts();
        match &select.operand.expr {
            Expr::Ident(name) if name == ours && !facts.contains(&select.field.as_str()) => {
                let (field, facts) = (&select.field, facts.join(", "));
                return self.fault(id, format!("there is no `{ours}.{field}`: it has {facts}"));
            }
            Expr::Ident(name) if name == "headers" => self.header(id, &select.field)?,
            _ => {}
        }
        self.expression(&mut select.operand, depth + 1)
    }

    fn header(&self, id: u64, name: &str) -> Result<(), Fault> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower = name.to_ascii_lowercase();
            return self.fault(id, format!("headers have names in lower case: write headers['{lower}']"));
        }
        Ok(())
    }

    fn call(&mut self, id: u64, call: &mut CallExpr, depth: usize) -> Result<(), Fault> {
        let name = call.func_name.as_str();
        if !OPERATORS.contains(&name) && !FUNCTIONS.contains(&name) {
            let message = match name {
                "matches" => "regular expressions are not taken: use contains, startsWith or endsWith, or `pattern` in the \
                    payload schema"
                    .to_owned(),
                _ => format!("there is no function `{name}`: see docs/filters-and-prompts.md for those there are"),
            };
            return self.fault(id, message);
        }
        if let (operators::INDEX, [of, at]) = (name, call.args.as_slice())
            && let (Expr::Ident(of), Expr::Literal(LiteralValue::String(at))) = (&of.expr, &at.expr)
            && of == "headers"
        {
            self.header(id, at.inner())?;
        }
        let appends = matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Ident(name)) if name.starts_with('@'));
        let counts = call.args.iter().any(|arg| matches!(arg.expr, Expr::Literal(LiteralValue::Int(_))));
        if MAKERS.contains(&name) || (name == operators::ADD && !appends && !counts) {
            self.makers += 1;
        }
        if [operators::EQUALS, operators::NOT_EQUALS].contains(&name)
            && let [left, right] = call.args.as_mut_slice()
            && !is_path(left)
            && is_path(right)
        {
            std::mem::swap(left, right);
        }
        for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            self.expression(part, depth + 1)?;
        }
        Ok(())
    }

    fn comprehension(&mut self, id: u64, it: &mut ComprehensionExpr, depth: usize) -> Result<(), Fault> {
        if !self.variables.is_empty() {
            return self.fault(
                id,
                "all, exists, exists_one, map and filter may not stand inside one another: ask the payload schema, or \
                 write && inside one of them",
            );
        }
        if !is_path(&it.iter_range) && !matches!(it.iter_range.expr, Expr::List(_)) {
            return self.fault(
                it.iter_range.id,
                format!(
                    "all, exists, map and filter go over a part of the {}, or a list",
                    self.names.subject()
                ),
            );
        }
        if it.iter_var2.is_some() || self.names.all().contains(&it.iter_var.as_str()) {
            return self.fault(id, "takes one variable, with a name of its own");
        }
        self.expression(&mut it.iter_range, depth + 1)?;
        self.variables.push(it.iter_var.clone());
        for part in [&mut it.accu_init, &mut it.loop_cond, &mut it.loop_step, &mut it.result] {
            self.expression(part, depth + 1)?;
        }
        self.variables.pop();
        Ok(())
    }
}

/// Whether this is a part of what it is asked about, as it is.
fn is_path(expression: &IdedExpr) -> bool {
    let mut at = expression;
    loop {
        at = match &at.expr {
            Expr::Ident(_) => return true,
            Expr::Select(select) if !select.test => &select.operand,
            Expr::Call(call) if call.func_name == operators::INDEX => match call.args.first() {
                Some(of) => of,
                None => return false,
            },
            _ => return false,
        }
    }
}

/// What an expression is, if that is neither true nor false whatever it is asked about.
fn no_verdict(expression: &IdedExpr, names: Names) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_)) => Some("a text"),
        Expr::Literal(_) => Some("a fixed value"),
        Expr::List(_) => Some("a list"),
        Expr::Comprehension(it) if matches!(it.accu_init.expr, Expr::List(_)) => {
            Some("a list: ask size(…) > 0, or use exists")
        }
        Expr::Call(call) => match call.func_name.as_str() {
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE => Some("a sum"),
            operators::MODULO | operators::NEGATE | "size" | "int" | "uint" | "double" | "indexOf" => {
                Some("a number")
            }
            "string" | "lowerAscii" | "upperAscii" | "trim" => Some("a text"),
            "type" => Some("a type"),
            operators::CONDITIONAL => call.args.iter().skip(1).find_map(|arg| no_verdict(arg, names)),
            _ => None,
        },
        Expr::Ident(name) if names.all().contains(&name.as_str()) => {
            Some("no question: write has(…) or compare it")
        }
        _ => None,
    }
}
