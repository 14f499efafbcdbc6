//! What a template may be made of.
//!
//! Names, filters and tests are a closed list, so that a mistyped one is found when the agent is saved, and so that the list
//! of what was looked at for its price is the list of what can be used. No functions, no recursion, no other templates.

use std::collections::BTreeSet;

use minijinja::Error;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt};
use minijinja::machinery::{Span, parse};
use minijinja::syntax::SyntaxConfig;

use crate::source::Fault;

/// How deep a template may nest, blocks and expressions together; each operator and filter of a chain is a level.
pub const MAX_DEPTH: usize = 100;

const NAMES: [&str; 3] = ["payload", "headers", "agent"];
const FACTS: [&str; 4] = ["id", "tenant_id", "name", "version"];
const FILTERS: [&str; 36] = [
    "abs",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];
/// What the engine has besides: nobody needs them in a prompt, and some build large texts.
pub(super) const UNWANTED_FILTERS: [&str; 14] = [
    "attr",
    "batch",
    "chain",
    "e",
    "escape",
    "format",
    "groupby",
    "indent",
    "pprint",
    "safe",
    "slice",
    "urlencode",
    "xmlattr",
    "zip",
];
pub(super) const UNWANTED_GLOBALS: [&str; 4] = ["debug", "dict", "namespace", "range"];
const TESTS: [&str; 18] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "float",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
];

/// Takes a template, or says what is wrong with it.
pub(super) fn check(text: &str) -> Result<(), Fault> {
    let parsed = parse(text, super::NAME, SyntaxConfig::default()).map_err(|error| syntax(text, &error))?;
    let mut walk = Walk { loops: 0, text, variables: vec![BTreeSet::new()] };
    walk.statement(&parsed, 0)
}

/// What the engine says about a text that is no template.
pub(super) fn syntax(text: &str, error: &Error) -> Fault {
    let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.range() {
        Some(range) => Fault::at(text, range.start, message),
        None => Fault { line: error.line(), ..Fault::of_the_whole(message) },
    }
}

/// Filters that compare texts, which the engine does not charge by their length: once each is enough.
const COMPARING: [&str; 5] = ["dictsort", "max", "min", "sort", "unique"];

struct Walk<'a> {
    /// How many loops we are in.
    loops: usize,
    text: &'a str,
    /// What `for`, `with` and `set` name, by the blocks that we are in.
    variables: Vec<BTreeSet<&'a str>>,
}

impl<'a> Walk<'a> {
    fn fault<T>(&self, span: Span, message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::at(self.text, span.start_offset as usize, message))
    }

    fn deeper(&self, span: Span, depth: usize) -> Result<usize, Fault> {
        if depth >= MAX_DEPTH {
            return self.fault(span, format!("nests deeper than {MAX_DEPTH} levels"));
        }
        Ok(depth + 1)
    }

    fn block(&mut self, body: &'a [Stmt<'a>], depth: usize) -> Result<(), Fault> {
        self.variables.push(BTreeSet::new());
        body.iter().try_for_each(|statement| self.statement(statement, depth))?;
        self.variables.pop();
        Ok(())
    }

    fn statement(&mut self, statement: &'a Stmt<'a>, depth: usize) -> Result<(), Fault> {
        match statement {
            Stmt::Template(it) => it.children.iter().try_for_each(|child| self.statement(child, depth)),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::EmitExpr(it) => self.expression(&it.expr, depth),
            Stmt::ForLoop(it) => {
                let depth = self.deeper(it.span(), depth)?;
                if it.recursive {
                    return self.fault(it.span(), "a loop may not be recursive");
                }
                self.expression(&it.iter, depth)?;
                self.loops += 1;
                self.variables.push(BTreeSet::from(["loop"]));
                self.names(&it.target)?;
                if let Some(filter) = &it.filter_expr {
                    self.expression(filter, depth)?;
                }
                self.block(&it.body, depth)?;
                self.variables.pop();
                self.loops -= 1;
                self.block(&it.else_body, depth)
            }
            Stmt::IfCond(it) => {
                let depth = self.deeper(it.span(), depth)?;
                self.expression(&it.expr, depth)?;
                // what is set in a branch is there after it
                it.true_body.iter().chain(&it.false_body).try_for_each(|child| self.statement(child, depth))
            }
            Stmt::WithBlock(it) => {
                let depth = self.deeper(it.span(), depth)?;
                self.variables.push(BTreeSet::new());
                for (name, value) in &it.assignments {
                    self.expression(value, depth)?;
                    self.names(name)?;
                }
                self.block(&it.body, depth)?;
                self.variables.pop();
                Ok(())
            }
            Stmt::Set(it) => {
                self.expression(&it.expr, depth)?;
                self.names(&it.target)
            }
            // They would write into a text what stands in a fence already.
            Stmt::SetBlock(it) => self.fault(it.span(), "set takes a value here: write {% set name = … %}"),
            Stmt::FilterBlock(it) => {
                self.fault(it.span(), "filter blocks are not taken: write {{ value | filter }}")
            }
            Stmt::AutoEscape(it) => {
                self.fault(it.span(), "autoescape is not taken: what is written is fenced")
            }
            Stmt::Do(it) => self.fault(it.span(), "do is not taken: there are no functions"),
        }
    }

    /// What a `for`, `with` or `set` names.
    fn names(&mut self, target: &'a Expr<'a>) -> Result<(), Fault> {
        match target {
            Expr::Var(it) if NAMES.contains(&it.id) || it.id == "loop" => {
                self.fault(it.span(), format!("`{}` has its meaning already: take another name", it.id))
            }
            Expr::Var(it) => {
                if let Some(block) = self.variables.last_mut() {
                    block.insert(it.id);
                }
                Ok(())
            }
            Expr::List(it) => it.items.iter().try_for_each(|item| self.names(item)),
            Expr::Tuple(it) => it.items.iter().try_for_each(|item| self.names(item)),
            other => self.fault(other.span(), "a name is needed here"),
        }
    }

    fn expression(&mut self, expression: &'a Expr<'a>, depth: usize) -> Result<(), Fault> {
        let depth = self.deeper(expression.span(), depth)?;
        match expression {
            Expr::Const(_) => Ok(()),
            Expr::Var(it) => {
                if NAMES.contains(&it.id) || self.variables.iter().any(|block| block.contains(it.id)) {
                    return Ok(());
                }
                let message = format!("there is no `{}`: the names are payload, headers and agent", it.id);
                self.fault(it.span(), message)
            }
            Expr::GetAttr(it) => {
                match &it.expr {
                    Expr::Var(of) if of.id == "agent" && !FACTS.contains(&it.name) => {
                        let message =
                            format!("there is no `agent.{}`: it has id, tenant_id, name, version", it.name);
                        return self.fault(it.span(), message);
                    }
                    Expr::Var(of) if of.id == "headers" => self.header(it.span(), it.name)?,
                    _ => {}
                }
                self.expression(&it.expr, depth)
            }
            Expr::GetItem(it) => {
                if let (Expr::Var(of), Expr::Const(at)) = (&it.expr, &it.subscript_expr)
                    && of.id == "headers"
                {
                    self.header(it.span(), at.value.as_str().unwrap_or_default())?;
                }
                self.expression(&it.expr, depth)?;
                self.expression(&it.subscript_expr, depth)
            }
            Expr::Slice(it) => {
                self.expression(&it.expr, depth)?;
                let parts = [&it.start, &it.stop, &it.step];
                parts.into_iter().flatten().try_for_each(|part| self.expression(part, depth))
            }
            Expr::UnaryOp(it) => self.expression(&it.expr, depth),
            Expr::BinOp(it) => {
                use BinOpKind::{Eq, Gt, Gte, Lt, Lte, Ne};
                if matches!(it.op, Eq | Ne | Lt | Lte | Gt | Gte) {
                    self.fixed(it.span(), [&it.left, &it.right])?;
                }
                self.expression(&it.left, depth)?;
                self.expression(&it.right, depth)
            }
            Expr::Compare(it) => {
                let mut left = &it.expr;
                for op in &it.ops {
                    self.fixed(it.span(), [left, &op.expr])?;
                    left = &op.expr;
                }
                self.expression(&it.expr, depth)?;
                it.ops.iter().try_for_each(|op| self.expression(&op.expr, depth))
            }
            Expr::IfExpr(it) => {
                self.expression(&it.test_expr, depth)?;
                self.expression(&it.true_expr, depth)?;
                it.false_expr.iter().try_for_each(|expr| self.expression(expr, depth))
            }
            Expr::Filter(it) => {
                self.known(it.span(), "filter", it.name)?;
                if self.loops > 0 && COMPARING.contains(&it.name) {
                    return self
                        .fault(it.span(), format!("{} may not stand in a loop: set it before", it.name));
                }
                let named = match it.name {
                    "map" => Some((0, "filter")),
                    "select" | "reject" => Some((0, "test")),
                    "selectattr" | "rejectattr" => Some((1, "test")),
                    _ => None,
                };
                if let Some((at, kind)) = named {
                    self.argument(it.span(), kind, it.args.get(at))?;
                }
                it.expr.iter().try_for_each(|expr| self.expression(expr, depth))?;
                self.arguments(it.span(), &it.args, depth)
            }
            Expr::Test(it) => {
                self.known(it.span(), "test", it.name)?;
                for argument in &it.args {
                    if let CallArg::Pos(value) = argument {
                        self.fixed(it.span(), [value])?;
                    }
                }
                self.expression(&it.expr, depth)?;
                self.arguments(it.span(), &it.args, depth)
            }
            Expr::Call(it) => {
                self.fault(it.span(), "there are no functions in a template: use filters (`value | filter`)")
            }
            Expr::List(it) => it.items.iter().try_for_each(|item| self.expression(item, depth)),
            Expr::Tuple(it) => it.items.iter().try_for_each(|item| self.expression(item, depth)),
            Expr::Map(it) => {
                it.keys.iter().chain(&it.values).try_for_each(|part| self.expression(part, depth))
            }
        }
    }

    /// In a loop a comparison needs a fixed side: that bounds what it reads, which the engine does not charge.
    fn fixed<const N: usize>(&self, span: Span, sides: [&Expr<'a>; N]) -> Result<(), Fault> {
        if self.loops == 0 || sides.iter().any(|side| matches!(side, Expr::Const(_))) {
            return Ok(());
        }
        self.fault(span, "in a loop, one side of a comparison must be a fixed value")
    }

    fn header(&self, span: Span, name: &str) -> Result<(), Fault> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let lower = name.to_ascii_lowercase();
            return self.fault(span, format!("headers have names in lower case: write headers['{lower}']"));
        }
        Ok(())
    }

    fn known(&self, span: Span, kind: &str, name: &str) -> Result<(), Fault> {
        let known = match kind {
            "filter" => FILTERS.contains(&name),
            _ => TESTS.contains(&name),
        };
        if known {
            return Ok(());
        }
        self.fault(
            span,
            format!("there is no {kind} `{name}`: see docs/filters-and-prompts.md for those there are"),
        )
    }

    /// The argument of a filter that names another filter, or a test.
    fn argument(&self, span: Span, kind: &str, argument: Option<&CallArg<'a>>) -> Result<(), Fault> {
        match argument {
            None | Some(CallArg::Kwarg(..)) => Ok(()),
            Some(CallArg::Pos(Expr::Const(name))) => {
                self.known(span, kind, name.value.as_str().unwrap_or_default())
            }
            Some(CallArg::Pos(_) | CallArg::PosSplat(_) | CallArg::KwargSplat(_)) => {
                self.fault(span, format!("the name of the {kind} must be written out"))
            }
        }
    }

    fn arguments(&mut self, span: Span, arguments: &'a [CallArg<'a>], depth: usize) -> Result<(), Fault> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(value) | CallArg::Kwarg(_, value) => self.expression(value, depth),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                self.fault(span, "arguments must be written one by one")
            }
        })
    }
}
