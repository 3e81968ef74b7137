//! The input of a session, read as steps. After its end, zeros follow.

/// The kind of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Op {
    /// Forwards messages, both ways.
    Pass,
    /// Alters a byte of the next message.
    Alter,
    /// Cuts the next message.
    Cut,
    /// Drops the next message.
    Drop,
    /// Forwards the next message and keeps it for a replay.
    Repeat,
    /// Sends an earlier message again.
    Replay,
    /// Puts the next message behind the others.
    Late,
    /// Invents a message of the relay.
    Invent,
    /// Sends any bytes as the violator or the stranger.
    Raw,
    /// The violator or the stranger says Hello and Welcome.
    Greet,
    /// The violator signs a state and tells of it.
    Craft,
    /// The violator answers the oldest request.
    Violator,
    /// Time passes.
    Time,
    /// The victim's clock jumps.
    Clock,
    /// A link goes down or comes up.
    Link,
    /// A member crashes and starts again.
    Crash,
    /// The victim writes.
    Write,
    /// The founder writes.
    Commit,
    /// A lane is full, or has room again.
    Room,
    /// Forwards messages in one call, both ways.
    Gather,
}

const OPS: [Op; 20] = [
    Op::Pass,
    Op::Alter,
    Op::Cut,
    Op::Drop,
    Op::Repeat,
    Op::Replay,
    Op::Late,
    Op::Invent,
    Op::Raw,
    Op::Greet,
    Op::Craft,
    Op::Violator,
    Op::Time,
    Op::Clock,
    Op::Link,
    Op::Crash,
    Op::Write,
    Op::Commit,
    Op::Room,
    Op::Gather,
];

/// A position in the input.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn op(&mut self) -> Op {
        OPS[usize::from(self.byte()) % OPS.len()]
    }

    pub fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    /// Two bytes, as a number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % end
    }

    /// A length and that many bytes, as far as they exist.
    pub fn bytes(&mut self) -> Vec<u8> {
        let len = self.below(2_048).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_op_has_its_number() {
        assert!(OPS.iter().enumerate().all(|(number, op)| number == *op as usize));
    }
}
