//! PFSELFTEST.

use data::hll::{self, Mark, Registers};
use protocol::Reply;
use store::Txn;

use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// PFSELFTEST
pub(super) const PFSELFTEST: DataCommand = Command {
    spec: Spec {
        flags: flags::ADMIN,
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "Checks the HyperLogLog code on the machine it runs on.",
        ..Spec::new("pfselftest")
    },
    run: pfselftest,
    subcommands: &[],
};

/// Elements of the test: some milliseconds, for other clients wait meanwhile.
const ELEMENTS: u64 = 100_000;
/// Six times the standard error: one run in 10^9 would stray farther by chance, and it is always
/// the same run.
const ERROR_MAX: f64 = 6.0 * 0.0081;

fn pfselftest(txn: &mut Txn<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    registers_keep_what_they_are_given()?;
    encodings_agree_and_counts_are_close(super::value::sparse_max(txn))?;
    reply.ok();
    Ok(())
}

fn failed(what: &str) -> CommandError {
    CommandError::Made(format!("TESTFAILED {what}"))
}

fn registers_keep_what_they_are_given() -> CommandResult {
    let mut dense = hll::to_dense(&hll::empty())?;
    let mut model = vec![0; hll::REGISTERS];
    for step in 0..ELEMENTS {
        let Mark { register, rank } = hll::mark(&step.to_be_bytes());
        let is_higher = rank > model[register];
        model[register] = rank.max(model[register]);
        if hll::raise_dense(&mut dense, Mark { register, rank }) != is_higher {
            return Err(failed("A register was not what it should have been"));
        }
    }
    let mut registers = Registers::default();
    registers.merge(&dense)?;
    if registers.ranks() != model {
        return Err(failed("Registers changed that nobody had set"));
    }
    Ok(())
}

fn encodings_agree_and_counts_are_close(sparse_max: usize) -> CommandResult {
    let mut either = hll::empty();
    let mut dense = hll::to_dense(&either)?;
    for element in 1..=ELEMENTS {
        let mark = hll::mark(&element.to_le_bytes());
        hll::raise(&mut either, mark, sparse_max)?;
        hll::raise_dense(&mut dense, mark);
        if !element.is_power_of_two() && element != ELEMENTS {
            continue;
        }
        let count = hll::count(&dense)?;
        if hll::count(&either)? != count {
            return Err(failed("The encodings count differently"));
        }
        let error = count.abs_diff(element) as f64;
        if error > (element as f64 * ERROR_MAX).max(1.0) {
            return Err(failed(&format!("Too large an error: {count} of {element}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn passes() {
        Fixture::new().check(&[("PFSELFTEST", "+OK\r\n")]);
    }
}
