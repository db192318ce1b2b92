//! What a filter expression means: comparisons of numbers read from an Ethernet frame, joined by and, or and not.
//!
//! The constructors fold constants, so that a tree has either no constant at all or is one: unreachable code is refused by the kernel.

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Constant(bool),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Compare(Number, Comparison, Number),
}

/// A 32-bit unsigned number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Number {
    Constant(u32),
    /// Bytes of the frame.
    Length,
    /// A big-endian number of `size` bytes (1, 2 or 4) at byte `at` of the frame. A frame that is too short matches nothing.
    Load {
        at: Box<Number>,
        size: u8,
    },
    Binary(Operation, Box<Number>, Box<Number>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl Condition {
    pub(super) fn and(self, other: Condition) -> Condition {
        match (self, other) {
            (Condition::Constant(true), other) | (other, Condition::Constant(true)) => other,
            (Condition::Constant(false), _) | (_, Condition::Constant(false)) => Condition::Constant(false),
            (one, other) => Condition::And(Box::new(one), Box::new(other)),
        }
    }

    pub(super) fn or(self, other: Condition) -> Condition {
        match (self, other) {
            (Condition::Constant(false), other) | (other, Condition::Constant(false)) => other,
            (Condition::Constant(true), _) | (_, Condition::Constant(true)) => Condition::Constant(true),
            (one, other) => Condition::Or(Box::new(one), Box::new(other)),
        }
    }

    pub(super) fn negated(self) -> Condition {
        match self {
            Condition::Constant(value) => Condition::Constant(!value),
            Condition::Not(inner) => *inner,
            other => Condition::Not(Box::new(other)),
        }
    }

    pub(super) fn compare(left: Number, how: Comparison, right: Number) -> Condition {
        if let (Number::Constant(l), Number::Constant(r)) = (&left, &right) {
            return Condition::Constant(match how {
                Comparison::Equal => l == r,
                Comparison::NotEqual => l != r,
                Comparison::Greater => l > r,
                Comparison::GreaterOrEqual => l >= r,
                Comparison::Less => l < r,
                Comparison::LessOrEqual => l <= r,
            });
        }
        Condition::Compare(left, how, right)
    }

    /// `size` bytes at a fixed place are this number.
    pub(super) fn is(at: u32, size: u8, value: u32) -> Condition {
        Condition::compare(Number::load(Number::Constant(at), size), Comparison::Equal, Number::Constant(value))
    }

    /// `size` bytes at a fixed place, masked, are this number.
    pub(super) fn masked(at: u32, size: u8, mask: u32, value: u32) -> Condition {
        let all = 8 * u32::from(size) >= 32 && mask == u32::MAX;
        let loaded = Number::load(Number::Constant(at), size);
        let left = if all { loaded } else { loaded.with(Operation::And, Number::Constant(mask)) };
        Condition::compare(left, Comparison::Equal, Number::Constant(value))
    }
}

impl Number {
    pub(super) fn load(at: Number, size: u8) -> Number {
        Number::Load { at: Box::new(at), size }
    }

    /// This number combined with another; constants are computed now, but for a division by zero, which stays for the caller to refuse.
    pub(super) fn with(self, how: Operation, other: Number) -> Number {
        if let (Number::Constant(l), Number::Constant(r)) = (&self, &other)
            && let Some(value) = how.apply(*l, *r)
        {
            return Number::Constant(value);
        }
        Number::Binary(how, Box::new(self), Box::new(other))
    }
}

impl Operation {
    fn apply(self, l: u32, r: u32) -> Option<u32> {
        Some(match self {
            Operation::Add => l.wrapping_add(r),
            Operation::Subtract => l.wrapping_sub(r),
            Operation::Multiply => l.wrapping_mul(r),
            Operation::Divide => l.checked_div(r)?,
            Operation::Modulo => l.checked_rem(r)?,
            Operation::And => l & r,
            Operation::Or => l | r,
            Operation::Xor => l ^ r,
            Operation::ShiftLeft => l.checked_shl(r).unwrap_or(0),
            Operation::ShiftRight => l.checked_shr(r).unwrap_or(0),
        })
    }
}
