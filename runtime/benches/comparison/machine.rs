//! Where and with what a run was made.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::SystemTime;

use super::handlers::root;
use super::options::Options;
use super::plan::Plan;
use super::servers::Tools;

/// A list of it all.
pub(super) fn describe(options: &Options, plan: Plan, tools: &Tools) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let python = tools.python.as_ref().map(|python| python.name());
    let versions = [
        format!("runtime {}", env!("CARGO_PKG_VERSION")),
        format!("wasmtime {}", locked("wasmtime")),
        format!("tokio {}", locked("tokio")),
        rustc(),
        python.unwrap_or_else(|| "no CPython".to_owned()),
    ];
    let typed = Some(options.typed()).filter(|typed| !typed.is_empty());
    let items = [
        ("date", today()),
        ("run", typed.unwrap_or_else(|| "full".to_owned())),
        (
            "rounds",
            format!(
                "{}, each server {:?} in each, after {:?} of warm-up",
                plan.rounds, plan.duration, plan.warm_up
            ),
        ),
        ("profile", profile()),
        ("versions", versions.join(", ")),
        (
            "processor",
            format!("{}, {} cores", processor(&read("/proc/cpuinfo")), cores()),
        ),
        ("memory", memory(&read("/proc/meminfo"))),
        (
            "kernel",
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        ),
        (
            "load average at the start",
            first_word(&read("/proc/loadavg")),
        ),
    ];
    let items = items
        .iter()
        .map(|(what, value)| format!("- {what}: {value}\n"));
    items.collect()
}

fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

fn cores() -> String {
    available_parallelism().map_or_else(|_| "unknown".to_owned(), |cores| cores.to_string())
}

/// The folder that cargo named after this program's profile: `release`, say, which `bench` inherits.
fn profile() -> String {
    let this = std::env::current_exe().unwrap_or_default();
    let folder = this
        .ancestors()
        .nth(2)
        .and_then(|folder| folder.file_name());
    folder.map_or_else(
        || "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    version.unwrap_or_else(|_| "rustc unknown".to_owned())
}

/// The version of a package in Cargo.lock.
fn locked(package: &str) -> String {
    let lock = root().and_then(|root| Ok(fs::read_to_string(root.join("Cargo.lock"))?));
    let version = lock.ok().and_then(|lock| version_in(&lock, package));
    version.unwrap_or_else(|| "unknown".to_owned())
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    after.split('"').next().map(str::to_owned)
}

/// The model; not every architecture tells it.
fn processor(cpuinfo: &str) -> String {
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|model| model.trim_start_matches([' ', '\t', ':']).to_owned());
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory(meminfo: &str) -> String {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| first_word(line).parse::<f64>().ok());
    kib.map_or_else(
        || "unknown".to_owned(),
        |kib| format!("{:.1} GiB", kib / 1_048_576.0),
    )
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_the_lock_file() {
        let lock = "[[package]]\nname = \"tokio-util\"\nversion = \"0.7\"\n\n[[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\n";
        assert_eq!(version_in(lock, "tokio").unwrap(), "1.54.1");
        assert_eq!(version_in(lock, "mio"), None);
    }

    #[test]
    fn what_the_system_tells_is_read() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: A B 3\n"), "A B 3");
        assert_eq!(processor(""), std::env::consts::ARCH);
        assert_eq!(memory("MemTotal:       8388608 kB\n"), "8.0 GiB");
        assert_eq!(memory(""), "unknown");
    }
}
