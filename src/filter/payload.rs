//! A payload that an evaluation reads on credit.
//!
//! CEL's evaluation has no way to be stopped, so it is given the payload piece by piece: an object or a list is handed out
//! without what is in it, and every look into one has a price. When what was given is spent, the evaluation ends by
//! unwinding, past `||` and `has(…)`, which would take an error for an answer.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::ExecutionError;
use cel::common::traits;
use cel::common::traits::{Container, Indexer, Iterable, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt, Kind, LIST_TYPE, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Number, Value};

/// How an unwinding evaluation says that its budget is spent, and not that there is a bug.
pub(super) struct Spent;

/// What is left to one evaluation.
pub(super) struct Meter {
    left: AtomicUsize,
    step: usize,
    text: usize,
}

impl Meter {
    /// With so much to spend, and these prices.
    pub fn new(units: usize, step: usize, text: usize) -> Self {
        Self { left: AtomicUsize::new(units), step, text }
    }

    /// `resume_unwind` does not call the panic hook: running out is no event to log.
    fn pay(&self, units: usize) {
        match self.left.load(Ordering::Relaxed).checked_sub(units) {
            Some(left) => self.left.store(left, Ordering::Relaxed),
            None => resume_unwind(Box::new(Spent)),
        }
    }
}

/// A JSON value as CEL sees it. Integers are `int`, beyond that `uint`, and what is neither is a `double`.
pub(super) fn value<'a>(value: &'a Value, meter: &'a Meter) -> Box<dyn Val + 'a> {
    meter.pay(1);
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(value) => number(value),
        Value::String(text) => {
            meter.pay((text.len() / 8).saturating_mul(meter.text));
            Box::new(CelString::from(text.as_str()))
        }
        Value::Array(items) => Box::new(Array { items, meter, shown: OnceLock::new() }),
        Value::Object(members) => Box::new(Object { members, meter, shown: OnceLock::new() }),
    }
}

fn number<'a>(number: &Number) -> Box<dyn Val + 'a> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Box::new(CelInt::from(number)),
        (None, Some(number)) => Box::new(CelUInt::from(number)),
        (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
    }
}

type Shown<'a> = OnceLock<Vec<Box<dyn Val + 'a>>>;

/// A list.
struct Array<'a> {
    items: &'a [Value],
    meter: &'a Meter,
    /// What a comprehension goes over: made when one does.
    shown: Shown<'a>,
}

/// An object.
struct Object<'a> {
    members: &'a Map<String, Value>,
    meter: &'a Meter,
    /// The names of its members.
    shown: Shown<'a>,
}

/// Goes over what was made, and pays for each step.
struct Steps<'b, 'a> {
    shown: std::slice::Iter<'b, Box<dyn Val + 'a>>,
    meter: &'b Meter,
}

impl<'b, 'a: 'v, 'v> traits::Iterator<'b, 'v> for Steps<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.meter.pay(self.meter.step);
        self.shown.next().map(|item| item.as_ref() as &'b (dyn Val + 'v))
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[…]")
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{…}")
    }
}

macro_rules! val {
    ($name:ident, $type:ident, $part:ident) => {
        impl Val for $name<'_> {
            fn get_type(&self) -> &Type {
                &$type
            }

            fn cel_type() -> &'static Type {
                &$type
            }

            fn as_container(&self) -> Option<&dyn Container> {
                Some(self)
            }

            fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
            where
                Self: 'v,
            {
                Some(self)
            }

            fn as_sizer(&self) -> Option<&dyn Sizer> {
                Some(self)
            }

            fn equals(&self, other: &dyn Val) -> bool {
                self.is(other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
            where
                Self: 'v,
            {
                Box::new(Self { $part: self.$part, meter: self.meter, shown: OnceLock::new() })
            }
        }

        impl Sizer for $name<'_> {
            fn size(&self) -> CelInt {
                CelInt::from(i64::try_from(self.$part.len()).unwrap_or(i64::MAX))
            }
        }

        impl Iterable for $name<'_> {
            fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
            where
                Self: 'v,
            {
                Box::new(Steps { shown: self.shown().iter(), meter: self.meter })
            }
        }
    };
}

val!(Array, LIST_TYPE, items);
val!(Object, MAP_TYPE, members);

impl<'a> Array<'a> {
    fn shown(&self) -> &[Box<dyn Val + 'a>] {
        self.shown.get_or_init(|| self.items.iter().map(|item| value(item, self.meter)).collect())
    }

    fn is(&self, other: &dyn Val) -> bool {
        let same = other.get_type().kind() == Kind::List
            && other.as_sizer().is_some_and(|sizer| sizer.size() == self.size());
        let Some(others) = other.as_iterable().filter(|_| same) else { return false };
        let mut others = others.iter();
        self.items.iter().all(|item| others.next().is_some_and(|other| value(item, self.meter).equals(other)))
    }
}

impl<'a> Object<'a> {
    fn shown(&self) -> &[Box<dyn Val + 'a>] {
        self.shown.get_or_init(|| {
            let names = self.members.keys().map(|name| {
                self.meter.pay(1 + (name.len() / 8).saturating_mul(self.meter.text));
                Box::new(CelString::from(name.as_str())) as Box<dyn Val + 'a>
            });
            names.collect()
        })
    }

    fn is(&self, other: &dyn Val) -> bool {
        let same = other.get_type().kind() == Kind::Map
            && other.as_sizer().is_some_and(|sizer| sizer.size() == self.size());
        let Some(others) = other.as_indexer().filter(|_| same) else { return false };
        self.members.iter().all(|(name, member)| {
            let other = others.get(&CelString::from(name.as_str()));
            other.is_ok_and(|other| value(member, self.meter).equals(other.as_ref()))
        })
    }

    fn member(&self, name: &dyn Val) -> Result<Option<&'a Value>, ExecutionError> {
        self.meter.pay(4);
        match name.downcast_ref::<CelString>() {
            Some(name) => Ok(self.members.get(name.inner())),
            None => Err(unexpected(name, "string")),
        }
    }
}

fn unexpected(got: &dyn Val, want: &str) -> ExecutionError {
    ExecutionError::UnexpectedType { got: got.get_type().name().to_owned(), want: want.to_owned() }
}

impl Indexer for Array<'_> {
    fn get<'b, 'v>(&'b self, at: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let int = at.downcast_ref::<CelInt>().map(|at| usize::try_from(*at.inner()).ok());
        let uint = at.downcast_ref::<CelUInt>().map(|at| usize::try_from(*at.inner()).ok());
        let at = int.or(uint).ok_or_else(|| unexpected(at, "int"))?;
        match at.and_then(|at| self.items.get(at)) {
            Some(item) => Ok(CowVal::Owned(value(item, self.meter))),
            None => Err(ExecutionError::IndexOutOfBounds(cel::Value::Null)),
        }
    }

    fn steal<'v>(self: Box<Self>, at: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(at).map(CowVal::into_owned)
    }
}

impl Indexer for Object<'_> {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        match self.member(name)? {
            Some(member) => Ok(CowVal::Owned(value(member, self.meter))),
            None => {
                let name = name.downcast_ref::<CelString>().map(|name| name.inner().to_owned());
                Err(ExecutionError::NoSuchKey(name.unwrap_or_default().into()))
            }
        }
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(name).map(CowVal::into_owned)
    }
}

impl Container for Array<'_> {
    fn contains(&self, wanted: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| {
            self.meter.pay(4);
            value(item, self.meter).equals(wanted)
        }))
    }
}

impl Container for Object<'_> {
    fn contains(&self, name: &dyn Val) -> Result<bool, ExecutionError> {
        self.member(name).map(|member| member.is_some())
    }
}
