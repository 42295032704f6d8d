//! What the platform allows the process: processors and files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use crate::support::alipay::{Form, Notification};
use crate::support::process::Running;

/// How many workers a process has that `launcher` starts, by its log and by its threads.
fn workers_under(launcher: &[&str]) -> usize {
    let mut running = Running::under(launcher, &[]);
    let told = usize::try_from(running.line("workers")["workers"].as_u64().unwrap()).unwrap();
    // All of them serve: threads exist before the first answer.
    running.connect().post(&Notification::genuine(Form::V1).body()).is(200, "success");
    let workers = running.threads().iter().filter(|name| name.starts_with("worker-")).count();
    assert_eq!(workers, told);
    running.signal("TERM");
    running.end();
    workers
}

#[test]
fn there_is_a_worker_for_each_processor_that_may_be_used() {
    assert_eq!(workers_under(&[]), available_parallelism().unwrap().get());
    assert_eq!(workers_under(&["taskset", "--cpu-list", "0"]), 1);
}

#[test]
fn the_workers_follow_the_quota_of_the_cgroup() {
    let processors = available_parallelism().unwrap().get();
    if processors < 2 {
        return skipped("one processor is all there is");
    }
    let group = match Group::with_quota() {
        Ok(group) => group,
        Err(why) => return skipped(&why),
    };
    for (percent, workers) in [(100, 1), (150, 1), (50, 1), (100 * (processors + 1), processors)] {
        group.allow(percent);
        let join = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.folder.display());
        assert_eq!(workers_under(&["sh", "-c", &join, "sh"]), workers, "{percent} % of a processor");
    }
}

/// A cgroup of our own.
struct Group {
    folder: PathBuf,
    is_v2: bool,
}

impl Group {
    /// One whose processor time can be limited, or why there is none.
    fn with_quota() -> Result<Self, String> {
        let mine = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let name = format!("alipay-sidecar-test-{}", std::process::id());
        for line in mine.lines() {
            let fields: Vec<&str> = line.splitn(3, ':').collect();
            let [_, controllers, path] = fields[..] else { continue };
            let is_v2 = controllers.is_empty();
            let is_v1 = controllers.split(',').any(|controller| controller == "cpu");
            let root =
                if is_v2 { "/sys/fs/cgroup".to_owned() } else { format!("/sys/fs/cgroup/{controllers}") };
            let folder = Path::new(&root).join(path.trim_start_matches('/')).join(&name);
            if !(is_v1 || is_v2) || fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self { folder, is_v2 };
            if fs::exists(group.folder.join(group.quota_file())).unwrap_or(false) {
                return Ok(group);
            }
        }
        Err("no cgroup can be made whose processor time can be limited".to_owned())
    }

    fn quota_file(&self) -> &str {
        if self.is_v2 { "cpu.max" } else { "cpu.cfs_quota_us" }
    }

    fn allow(&self, percent: usize) {
        let period = 100_000;
        let quota = percent * period / 100;
        let text = if self.is_v2 { format!("{quota} {period}") } else { quota.to_string() };
        fs::write(self.folder.join(self.quota_file()), text).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.folder));
    }
}

/// Says so, also in the file that `make test` shows at its end.
fn skipped(why: &str) {
    let line = format!("SKIPPED: way::limits::the_workers_follow_the_quota_of_the_cgroup ({why})");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("skipped.txt");
    let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
    writeln!(file, "{line}").unwrap();
    writeln!(std::io::stderr(), "{line}").unwrap();
}

#[test]
fn fewer_files_than_connections_are_a_warning_and_bound_the_connections() {
    // 192 are reserved and 4 are for deliveries, which leaves 4 connections.
    let settings = [("upstream", "max_in_flight = 4"), ("server", "max_connections = 100")];
    let mut running = Running::under(&["prlimit", "--nofile=200:200"], &settings);
    let warning = running.before.iter().find(|line| line["event"] == "file_limit").unwrap();
    assert_eq!(warning["level"], "WARN");
    let message = "the process may open 200 files: 4 connections are served instead of server.max_connections = 100; \
                   raise LimitNOFILE or ulimit -n";
    assert_eq!(warning["message"], message);
    let mut open: Vec<_> = (0..4).map(|_| running.connect()).collect();
    for client in &mut open {
        client.post(&Notification::genuine(Form::V1).body()).is(200, "success");
    }
    running.connect().is_closed();
    let line = running.line("notification");
    assert_eq!(line["outcome"], "accepted");
    running.signal("TERM");
    drop(open);
    let (status, lines) = running.end();
    assert!(status.success());
    assert!(lines.iter().any(|line| line.contains("\"reason\":\"too_many_connections\"")), "{lines:?}");
}
