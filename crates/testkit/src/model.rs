//! What the server should do, in the fewest words: a handful of counters, changed one command or
//! one transaction at a time.

/// How many keys the model has. Few, so that clients meet on them.
pub const KEYS: usize = 4;

/// What a key holds; `None` when it doesn't exist.
pub type Cell = Option<i64>;

/// A sequential specification.
pub trait Model {
    /// What is remembered between operations.
    type State: Clone + Eq + std::hash::Hash;
    /// What is asked.
    type Input;
    /// What is answered.
    type Output;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after the operation, or `None` if it couldn't have given this output. Without an
    /// output any will do.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;
}

/// A command on the keys `0..KEYS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// GET
    Get(usize),
    /// SET
    Set(usize, i64),
    /// INCR
    Incr(usize),
    /// DEL
    Del(usize),
    /// MGET
    MGet(Vec<usize>),
    /// MSET
    MSet(Vec<(usize, i64)>),
}

/// What a command answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// OK
    Done,
    /// The integer of INCR or DEL.
    Number(i64),
    /// The value of GET.
    Cell(Cell),
    /// The values of MGET.
    Cells(Vec<Cell>),
}

/// What a client does in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// One command.
    One(Command),
    /// MULTI, the commands, EXEC.
    Atomic(Vec<Command>),
    /// WATCH, reads that gave `seen`, then MULTI, the commands, EXEC.
    Guarded {
        /// What the watched keys held when they were read after WATCH.
        seen: Vec<(usize, Cell)>,
        /// What is done if they still do.
        commands: Vec<Command>,
    },
}

/// What a client gets for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The reply of one command.
    One(Reply),
    /// The replies of EXEC.
    Atomic(Vec<Reply>),
    /// EXEC refused, since a watched key had changed.
    Aborted,
}

/// The model of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters;

/// The contents of all keys.
pub type Cells = [Cell; KEYS];

impl Model for Counters {
    type State = Cells;
    type Input = Input;
    type Output = Output;

    fn initial(&self) -> Cells {
        [None; KEYS]
    }

    fn step(&self, state: &Cells, input: &Input, output: Option<&Output>) -> Option<Cells> {
        let mut after = *state;
        match (input, output) {
            // A transaction that was refused has no effect; being refused needs no reason here.
            (Input::Guarded { .. }, Some(Output::Aborted)) => Some(*state),
            (Input::One(command), output) => {
                let reply = run(&mut after, command);
                output
                    .is_none_or(|output| *output == Output::One(reply))
                    .then_some(after)
            }
            (Input::Atomic(commands), output) => {
                let replies = commands
                    .iter()
                    .map(|command| run(&mut after, command))
                    .collect();
                output
                    .is_none_or(|output| *output == Output::Atomic(replies))
                    .then_some(after)
            }
            (Input::Guarded { seen, commands }, output) => {
                if seen.iter().any(|&(key, cell)| state[key] != cell) {
                    // Without a reply it may have been refused; with one it should have been.
                    return output.is_none().then_some(*state);
                }
                let replies = commands
                    .iter()
                    .map(|command| run(&mut after, command))
                    .collect();
                output
                    .is_none_or(|output| *output == Output::Atomic(replies))
                    .then_some(after)
            }
        }
    }
}

/// Runs one command and gives its reply.
pub fn run(cells: &mut Cells, command: &Command) -> Reply {
    match command {
        Command::Get(key) => Reply::Cell(cells[*key]),
        Command::Set(key, value) => {
            cells[*key] = Some(*value);
            Reply::Done
        }
        Command::Incr(key) => {
            let value = cells[*key].unwrap_or(0) + 1;
            cells[*key] = Some(value);
            Reply::Number(value)
        }
        Command::Del(key) => Reply::Number(i64::from(cells[*key].take().is_some())),
        Command::MGet(keys) => Reply::Cells(keys.iter().map(|&key| cells[key]).collect()),
        Command::MSet(pairs) => {
            for &(key, value) in pairs {
                cells[key] = Some(value);
            }
            Reply::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_do_what_redis_does() {
        let mut cells = Counters.initial();
        assert_eq!(run(&mut cells, &Command::Get(0)), Reply::Cell(None));
        assert_eq!(run(&mut cells, &Command::Incr(0)), Reply::Number(1));
        assert_eq!(
            run(&mut cells, &Command::MSet(vec![(0, 5), (1, 6)])),
            Reply::Done
        );
        assert_eq!(
            run(&mut cells, &Command::MGet(vec![1, 2, 0])),
            Reply::Cells(vec![Some(6), None, Some(5)])
        );
        assert_eq!(run(&mut cells, &Command::Del(0)), Reply::Number(1));
        assert_eq!(run(&mut cells, &Command::Del(0)), Reply::Number(0));
    }

    #[test]
    fn a_guard_must_have_held() {
        let guarded = Input::Guarded {
            seen: vec![(0, Some(1))],
            commands: vec![Command::Incr(0)],
        };
        let done = Output::Atomic(vec![Reply::Number(2)]);
        let holds = [Some(1), None, None, None];
        let broken = [Some(7), None, None, None];
        assert_eq!(
            Counters.step(&holds, &guarded, Some(&done)),
            Some([Some(2), None, None, None])
        );
        assert_eq!(Counters.step(&broken, &guarded, Some(&done)), None);
        assert_eq!(
            Counters.step(&broken, &guarded, Some(&Output::Aborted)),
            Some(broken)
        );
        assert_eq!(Counters.step(&broken, &guarded, None), Some(broken));
    }
}
