//! How much of the machine there is for the server: CPUs by the process's affinity and the
//! container's quota, memory by the container's limit and what is built in.
//!
//! All of it is read from `/proc` and `/sys/fs/cgroup`, under a root that tests replace. Limits of
//! control groups hold for everything below them, so each group from the process's own up to the
//! top of what is mounted is asked, in version 1, version 2, or both at once.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the process may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The CPUs that it may run on, at least one.
    pub cpus: Vec<usize>,
    /// How much CPU time per time it gets, where that is limited: 0.5 is half of one CPU.
    pub cpu_quota: Option<f64>,
    /// Bytes of memory that it gets.
    pub memory: u64,
    /// Whether a container's limit says so, rather than the size of the machine.
    pub is_memory_limited: bool,
}

/// Assumed where nothing can be read.
const UNKNOWN_MEMORY: u64 = 1 << 30;

impl Machine {
    /// This machine.
    pub fn look() -> Self {
        Self::look_under(Path::new("/"))
    }

    /// The machine whose `/proc` and `/sys` lie under `root`.
    pub fn look_under(root: &Path) -> Self {
        let cpus = allowed_cpus(root).filter(|cpus| !cpus.is_empty());
        let groups = Groups::of_this_process(root);
        let built_in = built_in_memory(root);
        let limit = groups
            .memory_limit()
            .filter(|limit| built_in.is_none_or(|all| *limit < all));
        Self {
            cpus: cpus.unwrap_or_else(|| vec![0]),
            cpu_quota: groups.cpu_quota(),
            memory: limit.or(built_in).unwrap_or(UNKNOWN_MEMORY),
            is_memory_limited: limit.is_some(),
        }
    }

    /// How many threads serve: as many as `--proactor_threads` says, else as many as can run at
    /// once. A part of a CPU counts as one.
    pub fn thread_count(&self, proactor_threads: u32) -> usize {
        if proactor_threads > 0 {
            return proactor_threads as usize;
        }
        let by_quota = self
            .cpu_quota
            .map_or(usize::MAX, |quota| quota.ceil() as usize);
        self.cpus.len().min(by_quota).max(1)
    }

    /// The CPU for the thread with this index: threads are dealt out to the CPUs by turns.
    pub fn cpu_of_thread(&self, index: usize) -> usize {
        self.cpus
            .get(index % self.cpus.len().max(1))
            .copied()
            .unwrap_or(0)
    }
}

/// Keeps the calling thread on one CPU.
pub fn pin_thread(cpu: usize) -> io::Result<()> {
    let mut cpus = rustix::thread::CpuSet::new();
    if cpu >= rustix::thread::CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    cpus.set(cpu);
    rustix::thread::sched_setaffinity(None, &cpus)?;
    Ok(())
}

/// How long these CPUs have been idle since the machine was started, all together, if that can be
/// told. Exact to hundredths of a second.
pub fn idle_time(cpus: &[usize]) -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks = idle_ticks(&stat, cpus)?;
    Some(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// The idle ticks of these CPUs in a text like `/proc/stat`, those in which there was I/O to wait
/// for among them.
fn idle_ticks(stat: &str, cpus: &[usize]) -> Option<u64> {
    let of_cpu = |line: &str| -> Option<(usize, u64)> {
        let mut fields = line.strip_prefix("cpu")?.split(' ');
        let cpu = fields.next()?.parse().ok()?;
        let mut idle = fields.skip(3).map(|field| field.parse::<u64>().ok());
        Some((cpu, idle.next()?? + idle.next()??))
    };
    let all: HashMap<usize, u64> = stat.lines().filter_map(of_cpu).collect();
    let wanted = cpus.iter().map(|cpu| all.get(cpu).copied());
    wanted.sum::<Option<u64>>().filter(|_| !cpus.is_empty())
}

/// The CPUs that `/proc/self/status` lists.
fn allowed_cpus(root: &Path) -> Option<Vec<usize>> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    parse_cpu_list(list.trim())
}

/// `0-3,8` as 0, 1, 2, 3, 8.
fn parse_cpu_list(list: &str) -> Option<Vec<usize>> {
    const MOST: usize = 1 << 16;
    let mut cpus = Vec::new();
    for range in list.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        cpus.extend(first..=last.min(MOST));
    }
    Some(cpus)
}

fn built_in_memory(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The folders of the control groups that the process is in, each with those above it.
struct Groups {
    /// Version 2, one tree for everything.
    unified: Vec<PathBuf>,
    /// Version 1, a tree per controller.
    cpu: Vec<PathBuf>,
    memory: Vec<PathBuf>,
}

impl Groups {
    fn of_this_process(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let memberships = read("proc/self/cgroup");
        let mounts = read("proc/self/mountinfo");
        let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
        let folders = |controller: Option<&str>| {
            let group = memberships
                .lines()
                .find_map(|line| membership(line, controller));
            let mount = mounts.iter().find(|mount| mount.is_of(controller));
            group
                .zip(mount)
                .map_or(Vec::new(), |(group, mount)| mount.folders(root, group))
        };
        Self {
            unified: folders(None),
            cpu: folders(Some("cpu")),
            memory: folders(Some("memory")),
        }
    }

    fn cpu_quota(&self) -> Option<f64> {
        let unified = self.unified.iter().filter_map(|group| {
            let text = fs::read_to_string(group.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            ratio(quota, period)
        });
        let version_1 = self.cpu.iter().filter_map(|group| {
            let read = |name: &str| fs::read_to_string(group.join(name)).ok();
            ratio(
                read("cpu.cfs_quota_us")?.trim(),
                read("cpu.cfs_period_us")?.trim(),
            )
        });
        unified.chain(version_1).reduce(f64::min)
    }

    fn memory_limit(&self) -> Option<u64> {
        let number = |group: &PathBuf, name: &str| -> Option<u64> {
            fs::read_to_string(group.join(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        let unified = self.unified.iter().flat_map(|group| {
            // At `memory.high` the kernel slows the process down, which is no place to live at.
            [number(group, "memory.max"), number(group, "memory.high")]
        });
        let version_1 = self.memory.iter().flat_map(|group| {
            [
                number(group, "memory.limit_in_bytes"),
                hierarchical_limit(group),
            ]
        });
        unified.chain(version_1).flatten().min()
    }
}

/// The limit of groups that are not mounted here but hold all the same (version 1).
fn hierarchical_limit(group: &Path) -> Option<u64> {
    let stat = fs::read_to_string(group.join("memory.stat")).ok()?;
    let limit = stat
        .lines()
        .find_map(|line| line.strip_prefix("hierarchical_memory_limit "))?;
    limit.trim().parse().ok()
}

/// A quota of `max` (version 2) or -1 (version 1) is none.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// The group in a line of `/proc/self/cgroup`, if it is for this controller (version 1), or for
/// none in particular (version 2): `4:cpu,cpuacct:/a/b` or `0::/a/b`.
fn membership<'a>(line: &'a str, controller: Option<&str>) -> Option<&'a str> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let is_it = match controller {
        Some(controller) => controllers.split(',').any(|other| other == controller),
        None => controllers.is_empty(),
    };
    is_it.then_some(group)
}

/// A line of `/proc/self/mountinfo` that mounts control groups.
struct Mount<'a> {
    /// The group that shows at the mount point.
    root: &'a str,
    point: &'a str,
    is_unified: bool,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let is_unified = match file_system.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let options = file_system.nth(1).unwrap_or_default();
        Some(Self {
            root,
            point,
            is_unified,
            options,
        })
    }

    fn is_of(&self, controller: Option<&str>) -> bool {
        match controller {
            Some(name) => !self.is_unified && self.options.split(',').any(|other| other == name),
            None => self.is_unified,
        }
    }

    /// The folder of a group and of all above it. A group outside of what is mounted, as another
    /// namespace's are, is taken for the one at the mount point.
    fn folders(&self, root: &Path, group: &str) -> Vec<PathBuf> {
        let top = root.join(self.point.trim_start_matches('/'));
        let shown = Path::new(group)
            .strip_prefix(self.root)
            .unwrap_or(Path::new(""));
        let is_outside = shown.components().any(|part| part.as_os_str() == "..");
        let shown = if is_outside { Path::new("") } else { shown };
        shown.ancestors().map(|group| top.join(group)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder that stands for `/` and goes away with the test.
    struct Root(PathBuf);

    impl Root {
        fn new(files: &[(&str, &str)]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("darner-machine-{}-{number}", std::process::id());
            let root = Self(std::env::temp_dir().join(name));
            for (path, text) in files {
                let path = root.0.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            root
        }

        fn look(&self) -> Machine {
            Machine::look_under(&self.0)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const STATUS: (&str, &str) = (
        "proc/self/status",
        "Name:\tdarner\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n",
    );
    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:        1 kB\n",
    );
    const MOUNT_2: (&str, &str) = (
        "proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n\
         30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    const MOUNT_1: (&str, &str) = (
        "proc/self/mountinfo",
        "33 30 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
         34 30 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
    );
    const MEMBER_1: (&str, &str) = (
        "proc/self/cgroup",
        "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
    );

    #[test]
    fn idle_time_of_some_cpus() {
        let stat = "cpu  10 20 30 1000 60 0 0 0 0 0\n\
                    cpu0 1 2 3 400 5 6 7 8 9 10\n\
                    cpu1 1 2 3 500 50 6 7 8 9 10\n\
                    cpu12 1 2 3 50 5 6 7 8 9 10\n\
                    intr 1 2 3\nctxt 9\n";
        assert_eq!(idle_ticks(stat, &[0, 12]), Some(460));
        assert_eq!(idle_ticks(stat, &[1]), Some(550));
        for unknown in [&[2][..], &[0, 2], &[]] {
            assert_eq!(idle_ticks(stat, unknown), None);
        }
        assert_eq!(idle_ticks("cpu0 1 2 3", &[0]), None);
        let machine = Machine::look();
        assert!(idle_time(&machine.cpus) <= idle_time(&machine.cpus));
    }

    #[test]
    fn without_limits() {
        let machine = Root::new(&[STATUS, MEMINFO]).look();
        assert_eq!(machine.cpus, [0, 1, 2, 3]);
        assert_eq!(machine.cpu_quota, None);
        assert_eq!(
            (machine.memory, machine.is_memory_limited),
            (16 << 30, false)
        );
        assert_eq!(machine.thread_count(0), 4);
        assert_eq!(machine.thread_count(9), 9);
        assert_eq!(machine.cpu_of_thread(5), 1);
    }

    #[test]
    fn with_nothing_to_read() {
        let machine = Root::new(&[]).look();
        assert_eq!(machine.thread_count(0), 1);
        assert_eq!(machine.memory, UNKNOWN_MEMORY);
    }

    #[test]
    fn version_2_in_a_container() {
        let files = [
            STATUS,
            MEMINFO,
            MOUNT_2,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", "5000 100000\n"),
            ("sys/fs/cgroup/memory.max", "134217728\n"),
            ("sys/fs/cgroup/memory.high", "max\n"),
        ];
        let machine = Root::new(&files).look();
        assert_eq!(machine.cpu_quota, Some(0.05));
        assert_eq!(machine.thread_count(0), 1);
        assert_eq!(
            (machine.memory, machine.is_memory_limited),
            (128 << 20, true)
        );
    }

    #[test]
    fn version_2_nested_takes_the_tightest() {
        let files = [
            STATUS,
            MEMINFO,
            MOUNT_2,
            ("proc/self/cgroup", "0::/system.slice/darner.service\n"),
            ("sys/fs/cgroup/system.slice/cpu.max", "250000 100000\n"),
            ("sys/fs/cgroup/system.slice/memory.high", "1073741824\n"),
            (
                "sys/fs/cgroup/system.slice/darner.service/cpu.max",
                "max 100000\n",
            ),
            (
                "sys/fs/cgroup/system.slice/darner.service/memory.max",
                "2147483648\n",
            ),
        ];
        let machine = Root::new(&files).look();
        assert_eq!(machine.cpu_quota, Some(2.5));
        assert_eq!(machine.thread_count(0), 3);
        assert_eq!(machine.memory, 1 << 30);
    }

    #[test]
    fn version_1_in_a_container() {
        let files = [
            STATUS,
            MEMINFO,
            MOUNT_1,
            MEMBER_1,
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            (
                "sys/fs/cgroup/memory/memory.stat",
                "rss 1\nhierarchical_memory_limit 536870912\n",
            ),
        ];
        let machine = Root::new(&files).look();
        assert_eq!(machine.thread_count(0), 2);
        assert_eq!(
            (machine.memory, machine.is_memory_limited),
            (512 << 20, true)
        );
    }

    #[test]
    fn version_1_without_limits() {
        let files = [
            STATUS,
            MEMINFO,
            MOUNT_1,
            MEMBER_1,
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        let machine = Root::new(&files).look();
        assert_eq!(machine.cpu_quota, None);
        assert_eq!(
            (machine.memory, machine.is_memory_limited),
            (16 << 30, false)
        );
    }

    #[test]
    fn a_group_of_another_namespace_is_the_mounted_one() {
        let files = [
            STATUS,
            MEMINFO,
            MOUNT_2,
            ("proc/self/cgroup", "0::/../../elsewhere\n"),
            ("sys/fs/cgroup/cpu.max", "100000 100000\n"),
        ];
        assert_eq!(Root::new(&files).look().thread_count(0), 1);
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(parse_cpu_list("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(parse_cpu_list(""), Some(vec![]));
        assert_eq!(parse_cpu_list("0-x"), None);
        assert_eq!(parse_cpu_list("3-1"), Some(vec![]));
    }

    #[test]
    fn this_machine() {
        let machine = Machine::look();
        assert!(machine.thread_count(0) >= 1 && machine.memory > 0);
        pin_thread(machine.cpu_of_thread(0)).unwrap();
        assert!(pin_thread(1 << 20).is_err());
    }
}
