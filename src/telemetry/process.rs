//! What the kernel says of the process: the metrics that every Prometheus client has, `process_…`.

use std::fs;
use std::str::FromStr;

use prometheus::{Counter, Gauge, IntGauge, Registry};
use rlimit::Resource;

/// Ticks of a second in which the kernel counts processor time for programs, on every architecture that we build for.
const TICKS: f64 = 100.0;
const KIBIBYTE: i64 = 1024;

/// The figures of this process, read from `/proc` when they are asked for.
pub(super) struct Process {
    cpu: Counter,
    open_files: IntGauge,
    max_files: IntGauge,
    virtual_memory: IntGauge,
    resident_memory: IntGauge,
    threads: IntGauge,
    start: Gauge,
}

impl Process {
    /// Puts the figures into `registry`.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let process = Self {
            cpu: Counter::new("process_cpu_seconds_total", "Processor time of the process, in seconds.")?,
            open_files: gauge("process_open_fds", "Open file descriptors.")?,
            max_files: gauge("process_max_fds", "File descriptors that may be open.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.")?,
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory, in bytes.")?,
            threads: gauge("process_threads", "Threads of the process.")?,
            start: Gauge::new("process_start_time_seconds", "When the process started, in Unix time.")?,
        };
        registry.register(Box::new(process.cpu.clone()))?;
        registry.register(Box::new(process.start.clone()))?;
        if let (Some(boot), Some(start)) = (boot_time(), stat(STARTTIME)) {
            process.start.set(boot + start / TICKS);
        }
        Ok(process)
    }

    /// Reads the figures anew. What cannot be read stays as it was.
    pub(super) fn refresh(&self) {
        if let (Some(user), Some(system)) = (stat(UTIME), stat(STIME)) {
            let total = (user + system) / TICKS;
            self.cpu.inc_by((total - self.cpu.get()).max(0.0));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            let open = files.count().saturating_sub(1);
            self.open_files.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Ok((limit, _)) = Resource::NOFILE.get() {
            self.max_files.set(i64::try_from(limit).unwrap_or(i64::MAX));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (gauge, name, unit) in [
            (&self.virtual_memory, "VmSize:", KIBIBYTE),
            (&self.resident_memory, "VmRSS:", KIBIBYTE),
            (&self.threads, "Threads:", 1),
        ] {
            if let Some(value) = after::<i64>(&status, name) {
                gauge.set(value.saturating_mul(unit));
            }
        }
    }
}

// Places in /proc/self/stat, counted from the state that follows the name: proc(5) has them two higher, from one.
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTTIME: usize = 19;

/// A figure of `/proc/self/stat`. The name of the process comes before it, which may hold anything.
fn stat(place: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, figures) = text.rsplit_once(')')?;
    figures.split_ascii_whitespace().nth(place)?.parse().ok()
}

/// When the machine was started, in seconds of Unix time.
fn boot_time() -> Option<f64> {
    after(&fs::read_to_string("/proc/stat").ok()?, "btime")
}

/// The figure in the line of `text` that starts with `name`.
fn after<T: FromStr>(text: &str, name: &str) -> Option<T> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compared with what the kernel says")]
    fn the_figures_are_those_of_this_process() {
        let process = Process::register(&Registry::new()).unwrap();
        let held = fs::File::open("/proc/self/stat").unwrap();
        let block = vec![1_u8; 32 * 1024 * 1024];
        let busy = Instant::now();
        // Processor time is counted in hundredths of a second.
        while stat(UTIME).unwrap() < 5.0 {
            assert!(busy.elapsed() < Duration::from_mins(1), "no processor time is counted");
        }
        process.refresh();
        assert!(process.cpu.get() >= 0.05, "{}", process.cpu.get());
        assert!(process.open_files.get() >= 4 && process.open_files.get() < process.max_files.get());
        assert!(process.resident_memory.get() >= i64::try_from(block.len()).unwrap());
        assert!(process.virtual_memory.get() >= process.resident_memory.get());
        assert!(process.threads.get() >= 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - 86_400.0..=now + 1.0).contains(&process.start.get()), "{}", process.start.get());
        drop((held, block));
    }

    #[test]
    fn the_processor_time_never_falls() {
        let process = Process::register(&Registry::new()).unwrap();
        process.cpu.inc_by(1e9);
        process.refresh();
        assert!(process.cpu.get() >= 1e9);
    }
}
