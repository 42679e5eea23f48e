//! Could this history have happened one operation at a time?
//!
//! A history is linearizable when each operation can be given a moment between its call and its
//! return so that, run in the order of those moments on the model, every operation gives what it
//! gave. The search is Wing and Gong's: take an operation that nothing must come before, apply it,
//! go on; when stuck, take it back and try another. Lowe's addition makes it fast enough: a set
//! of operations already applied, together with the state they led to, needs trying only once.
//! Cost grows with the number of operations that overlap, not with the length of the history.

use std::collections::HashSet;

use crate::history::Operation;
use crate::model::Model;

/// A search that takes more steps than this is given up.
const STEP_LIMIT: u64 = 50_000_000;
const NONE: usize = usize::MAX;

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none; these are the operations (by index) of the longest order it could build.
    Impossible(Vec<usize>),
    /// The search took too long.
    Unknown,
}

/// Looks for an order that explains the history.
pub fn check<M: Model>(model: &M, history: &[Operation<M::Input, M::Output>]) -> Verdict {
    check_within(STEP_LIMIT, model, history)
}

/// The same with another limit to the steps of the search.
pub fn check_within<M: Model>(
    steps: u64,
    model: &M,
    history: &[Operation<M::Input, M::Output>],
) -> Verdict {
    Search::new(model, history).run(steps)
}

/// A call or a return; the list of those not yet explained is threaded through them.
struct Event {
    operation: usize,
    is_call: bool,
    /// The return of a call.
    partner: usize,
    previous: usize,
    next: usize,
}

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a [Operation<M::Input, M::Output>],
    /// Event 0 is the head of the list.
    events: Vec<Event>,
    applied: Set,
    state: M::State,
    /// Calls taken, with the state before each.
    taken: Vec<(usize, M::State)>,
    tried: HashSet<(Set, M::State)>,
    longest: Vec<usize>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a [Operation<M::Input, M::Output>]) -> Self {
        Self {
            model,
            history,
            events: list_events(history),
            applied: Set::new(history.len()),
            state: model.initial(),
            taken: Vec::new(),
            tried: HashSet::new(),
            longest: Vec::new(),
        }
    }

    fn run(mut self, steps: u64) -> Verdict {
        let mut at = self.events[0].next;
        for _ in 0..steps {
            if at == NONE {
                return Verdict::Linearizable;
            }
            at = if self.events[at].is_call {
                if self.take(at) {
                    self.events[0].next
                } else {
                    self.events[at].next
                }
            } else {
                // A return whose call wasn't taken: whatever is missing must come before it.
                match self.take_back() {
                    Some(call) => self.events[call].next,
                    None => return Verdict::Impossible(self.longest),
                }
            };
        }
        Verdict::Unknown
    }

    /// Applies the operation called here; false if the model forbids it or it led nowhere before.
    fn take(&mut self, call: usize) -> bool {
        let index = self.events[call].operation;
        let operation = &self.history[index];
        let output = operation.output.as_ref();
        let Some(state) = self.model.step(&self.state, &operation.input, output) else {
            return false;
        };
        self.applied.insert(index);
        if !self.tried.insert((self.applied.clone(), state.clone())) {
            self.applied.remove(index);
            return false;
        }
        self.taken
            .push((call, std::mem::replace(&mut self.state, state)));
        self.unlink(call);
        self.unlink(self.events[call].partner);
        if self.taken.len() > self.longest.len() {
            self.longest = self
                .taken
                .iter()
                .map(|&(c, _)| self.events[c].operation)
                .collect();
        }
        true
    }

    fn take_back(&mut self) -> Option<usize> {
        let (call, state) = self.taken.pop()?;
        self.state = state;
        self.applied.remove(self.events[call].operation);
        self.relink(self.events[call].partner);
        self.relink(call);
        Some(call)
    }

    fn unlink(&mut self, event: usize) {
        let Event { previous, next, .. } = self.events[event];
        self.events[previous].next = next;
        if next != NONE {
            self.events[next].previous = previous;
        }
    }

    /// Undoes the latest `unlink` that isn't undone yet: its neighbours are as they were.
    fn relink(&mut self, event: usize) {
        let Event { previous, next, .. } = self.events[event];
        self.events[previous].next = event;
        if next != NONE {
            self.events[next].previous = event;
        }
    }
}

/// The calls and returns in the order of their moments, behind a head.
fn list_events<I, O>(history: &[Operation<I, O>]) -> Vec<Event> {
    let mut moments: Vec<(u64, usize, bool)> = Vec::with_capacity(history.len() * 2);
    for (index, operation) in history.iter().enumerate() {
        assert!(
            operation.called < operation.returned,
            "an operation returns after its call"
        );
        moments.push((operation.called, index, true));
        moments.push((operation.returned, index, false));
    }
    moments.sort_unstable();
    let mut return_of = vec![NONE; history.len()];
    for (position, &(_, index, is_call)) in moments.iter().enumerate() {
        if !is_call {
            return_of[index] = position + 1;
        }
    }
    let count = moments.len();
    let next_of = |event: usize| if event < count { event + 1 } else { NONE };
    let head = Event {
        operation: NONE,
        is_call: true,
        partner: NONE,
        previous: NONE,
        next: next_of(0),
    };
    let rest = moments
        .iter()
        .enumerate()
        .map(|(position, &(_, operation, is_call))| Event {
            operation,
            is_call,
            partner: return_of[operation],
            previous: position,
            next: next_of(position + 1),
        });
    std::iter::once(head).chain(rest).collect()
}

/// A set of small numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Set {
    words: Box<[u64]>,
}

impl Set {
    fn new(capacity: usize) -> Self {
        Self {
            words: vec![0; capacity.div_ceil(64)].into_boxed_slice(),
        }
    }

    fn insert(&mut self, number: usize) {
        self.words[number / 64] |= 1 << (number % 64);
    }

    fn remove(&mut self, number: usize) {
        self.words[number / 64] &= !(1 << (number % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cell, Cells, Command, Counters, Input, Output, Reply, run};
    use crate::random::Random;

    type CounterOperation = Operation<Input, Output>;

    fn operation(
        client: usize,
        times: (u64, u64),
        command: Command,
        reply: Reply,
    ) -> CounterOperation {
        Operation {
            client,
            input: Input::One(command),
            output: Some(Output::One(reply)),
            called: times.0,
            returned: times.1,
        }
    }

    fn get(times: (u64, u64), value: Cell) -> CounterOperation {
        operation(0, times, Command::Get(0), Reply::Cell(value))
    }

    fn set(times: (u64, u64), value: i64) -> CounterOperation {
        operation(1, times, Command::Set(0, value), Reply::Done)
    }

    fn is_linearizable(history: &[CounterOperation]) -> bool {
        check(&Counters, history) == Verdict::Linearizable
    }

    #[test]
    fn one_after_the_other() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[set((0, 1), 5), get((2, 3), Some(5))]));
        assert!(!is_linearizable(&[set((0, 1), 5), get((2, 3), None)]));
    }

    #[test]
    fn while_it_overlaps_either_order_will_do() {
        assert!(is_linearizable(&[set((0, 3), 5), get((1, 2), Some(5))]));
        assert!(is_linearizable(&[set((0, 3), 5), get((1, 2), None)]));
    }

    #[test]
    fn nobody_reads_the_past() {
        // Once somebody has seen the new value, the old one is gone, though the write goes on.
        let history = [set((0, 9), 5), get((1, 2), Some(5)), get((3, 4), None)];
        assert_eq!(check(&Counters, &history), Verdict::Impossible(vec![0, 1]));
    }

    #[test]
    fn no_update_is_lost() {
        let incr = |times, value| operation(0, times, Command::Incr(0), Reply::Number(value));
        assert!(is_linearizable(&[incr((0, 3), 2), incr((1, 2), 1)]));
        assert!(!is_linearizable(&[incr((0, 3), 1), incr((1, 2), 1)]));
    }

    #[test]
    fn nobody_sees_half_of_an_mset() {
        let pairs = vec![(0, 1), (1, 1)];
        let write = operation(0, (0, 9), Command::MSet(pairs), Reply::Done);
        let read = |cells: [Cell; 2]| {
            operation(
                1,
                (1, 2),
                Command::MGet(vec![0, 1]),
                Reply::Cells(cells.to_vec()),
            )
        };
        assert!(is_linearizable(&[write.clone(), read([Some(1), Some(1)])]));
        assert!(is_linearizable(&[write.clone(), read([None, None])]));
        assert!(!is_linearizable(&[write, read([Some(1), None])]));
    }

    #[test]
    fn a_refused_transaction_leaves_nothing_behind() {
        let refused = Operation {
            input: Input::Guarded {
                seen: vec![(0, None)],
                commands: vec![Command::Set(0, 9)],
            },
            output: Some(Output::Aborted),
            ..set((0, 1), 0)
        };
        assert!(is_linearizable(&[refused.clone(), get((2, 3), None)]));
        assert!(!is_linearizable(&[refused, get((2, 3), Some(9))]));
    }

    #[test]
    fn without_a_reply_it_may_have_happened_or_not() {
        let lost = CounterOperation {
            output: None,
            returned: u64::MAX,
            ..set((0, 1), 5)
        };
        assert!(is_linearizable(&[lost.clone(), get((2, 3), None)]));
        assert!(is_linearizable(&[lost.clone(), get((2, 3), Some(5))]));
        assert!(is_linearizable(&[
            lost.clone(),
            get((2, 3), None),
            get((4, 5), Some(5))
        ]));
        assert!(!is_linearizable(&[
            lost,
            get((2, 3), Some(5)),
            get((4, 5), None)
        ]));
    }

    #[test]
    fn long_histories_are_quick() {
        let mut random = Random::new(1);
        for _ in 0..20 {
            assert!(is_linearizable(&true_history(&mut random, 8, 400)));
        }
    }

    /// The search and trying out every order must agree, on histories that are right and on ones
    /// that were made wrong.
    #[test]
    fn agrees_with_trying_every_order() {
        let mut random = Random::new(2);
        let mut verdicts = [0, 0];
        for _ in 0..3000 {
            let mut history = true_history(&mut random, 3, 6);
            if random.below(2) == 0 {
                spoil(&mut random, &mut history);
            }
            let expected = any_order_explains(&history, &Counters.initial(), &mut Vec::new());
            assert_eq!(is_linearizable(&history), expected, "{history:#?}");
            verdicts[usize::from(expected)] += 1;
        }
        assert!(verdicts.iter().all(|&count| count > 200), "{verdicts:?}");
    }

    /// What a simulated client is doing.
    enum Stage {
        Idle,
        Called(u64, Command),
        Answered(u64, Command, Reply),
    }

    /// A history that is right: in any order, clients call, are served at once and as a whole, and
    /// return.
    fn true_history(random: &mut Random, clients: usize, count: usize) -> Vec<CounterOperation> {
        let mut cells = Counters.initial();
        let mut stages: Vec<Stage> = (0..clients).map(|_| Stage::Idle).collect();
        let mut history = Vec::new();
        for now in 0.. {
            if history.len() == count {
                break;
            }
            let client = random.below(clients);
            let stage = std::mem::replace(&mut stages[client], Stage::Idle);
            stages[client] = match stage {
                Stage::Idle => Stage::Called(now, any_command(random)),
                Stage::Called(called, command) => {
                    let reply = run(&mut cells, &command);
                    Stage::Answered(called, command, reply)
                }
                Stage::Answered(called, command, reply) => {
                    history.push(operation(client, (called, now), command, reply));
                    Stage::Idle
                }
            };
        }
        // Some were served and never saw their reply.
        for (client, stage) in stages.into_iter().enumerate() {
            if let Stage::Answered(called, command, reply) = stage {
                let finished = operation(client, (called, u64::MAX), command, reply);
                history.push(CounterOperation {
                    output: None,
                    ..finished
                });
            }
        }
        history
    }

    fn any_command(random: &mut Random) -> Command {
        let key = random.below(2);
        let value = random.below(3) as i64;
        match random.below(6) {
            0 => Command::Get(key),
            1 => Command::Set(key, value),
            2 => Command::Incr(key),
            3 => Command::Del(key),
            4 => Command::MGet(vec![0, 1]),
            _ => Command::MSet(vec![(0, value), (1, value)]),
        }
    }

    fn spoil(random: &mut Random, history: &mut [CounterOperation]) {
        if history.is_empty() {
            return;
        }
        let index = random.below(history.len());
        let Some(Output::One(reply)) = &mut history[index].output else {
            return;
        };
        match reply {
            Reply::Cell(cell) => *cell = Some(cell.unwrap_or(0) + 1),
            Reply::Number(number) => *number += 1,
            Reply::Cells(cells) => cells.swap(0, 1),
            Reply::Done => {}
        }
    }

    fn any_order_explains(
        history: &[CounterOperation],
        cells: &Cells,
        done: &mut Vec<usize>,
    ) -> bool {
        if done.len() == history.len() {
            return true;
        }
        let open: Vec<usize> = (0..history.len())
            .filter(|index| !done.contains(index))
            .collect();
        let first_return = open.iter().map(|&index| history[index].returned).min();
        for &index in &open {
            let operation = &history[index];
            if Some(operation.called) > first_return {
                continue;
            }
            let output = operation.output.as_ref();
            if let Some(after) = Counters.step(cells, &operation.input, output) {
                done.push(index);
                if any_order_explains(history, &after, done) {
                    return true;
                }
                done.pop();
            }
        }
        false
    }
}
