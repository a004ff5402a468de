//! Running libFuzzer on one target: its limits, its progress, what it finds.

use super::log::{self, Pulse, last_pulse};
use super::{build, targets};
use crate::paths::{Paths, make_folder};
use crate::process::{Program, tail};
use crate::progress::step;
use crate::running::Running;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest input that libFuzzer makes, in bytes: some hundred calls.
const INPUT_MAX: usize = 2048;
/// An input that takes longer than this hangs; most take a millisecond. The clock on the wall is all
/// that libFuzzer goes by, and machines have been seen to stand still for 40 s.
const INPUT_SECONDS_MAX: u32 = 300;
/// Memory of one fuzzer; it uses about 50 MiB.
const MEMORY_MIB_MAX: u32 = 1024;
/// Time for the inputs that are there already, beside the time asked for.
const LOADING: Duration = Duration::from_secs(600);
/// How often a line tells how far it is.
const PULSE: Duration = Duration::from_secs(10);
/// How often it is looked whether a fuzzer has ended.
const POLL: Duration = Duration::from_millis(100);
/// Inputs of a corpus above which it is boiled down to those that add something.
const CORPUS_MAX: usize = 5000;

/// How libFuzzer ends when it is told to.
const INTERRUPTED: i32 = 72;

/// How to fuzz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How long.
    pub(crate) time: Duration,
    /// Fuzzers at once; they share a corpus.
    pub(crate) jobs: usize,
}

/// One target, built, and its folders.
pub(super) struct Fuzzer<'a> {
    paths: &'a Paths,
    target: String,
    binary: PathBuf,
    corpus: PathBuf,
    findings: PathBuf,
}

impl<'a> Fuzzer<'a> {
    pub(super) fn build(paths: &'a Paths, target: &str) -> Result<Self> {
        let targets = targets(paths)?;
        if !targets.iter().any(|name| name == target) {
            bail!("no target is named {target}; there are: {}", targets.join(", "));
        }
        let binary = build::build(paths, target)?;
        let home = paths.target.join("fuzz");
        let (corpus, findings) = (home.join("corpus").join(target), home.join("findings"));
        make_folder(&corpus)?;
        make_folder(&findings)?;
        Ok(Self { paths, target: target.to_owned(), binary, corpus, findings })
    }

    pub(super) fn run(&self, effort: Effort) -> Result<()> {
        self.boil_down()?;
        let seconds = effort.time.as_secs();
        step(&format!("fuzz {} for {seconds} s", self.target), || {
            let jobs = effort.jobs.max(1);
            let mut jobs =
                (0..jobs).map(|job| self.start(job, seconds)).collect::<Result<Vec<_>>>()?;
            self.watch(&mut jobs, effort.time)
        })
    }

    /// Runs one input and nothing else.
    pub(super) fn run_input(&self, input: &Path) -> Result<()> {
        let log = self.paths.log(&format!("fuzz-{}-input", self.target))?;
        let mut program = Program::new(&self.binary).args(self.limits()).arg(input);
        program = program.log(log.clone());
        let status = program.status()?;
        if !status.success() {
            let said = log::message(&fs::read_to_string(&log)?);
            bail!("{said}\n{} fails ({status}); whole log: {}", input.display(), log.display());
        }
        Ok(())
    }

    /// Starts one fuzzer.
    fn start(&self, job: usize, seconds: u64) -> Result<Job> {
        let log = self.paths.log(&format!("fuzz-{}-{job}", self.target))?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let prefix = format!("{}/{}-", self.findings.display(), self.target);
        let mut command = Command::new(&self.binary);
        command
            .args(self.limits())
            .arg(format!("-max_len={INPUT_MAX}"))
            // Long inputs from the start: a state that takes many calls is what is looked for.
            .arg("-len_control=0")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={prefix}"))
            .arg(&self.corpus)
            .arg(self.paths.root.join("tests/fuzz/corpus").join(&self.target))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let running = Running::start(&mut command, &self.binary.display().to_string())?;
        Ok(Job { running, log })
    }

    fn limits(&self) -> [String; 3] {
        [
            format!("-timeout={INPUT_SECONDS_MAX}"),
            format!("-report_slow_units={INPUT_SECONDS_MAX}"),
            format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        ]
    }

    /// Waits for all fuzzers, saying now and then how far they are. The first that fails ends all.
    fn watch(&self, jobs: &mut [Job], time: Duration) -> Result<()> {
        let start = Instant::now();
        let mut said = start;
        loop {
            let mut has_ended = true;
            for job in jobs.iter_mut() {
                match job.running.wait(Some(Duration::ZERO))? {
                    Some(status) if !status.success() => bail!(self.finding(job, status)?),
                    Some(_) => {}
                    None => has_ended = false,
                }
            }
            if has_ended || said.elapsed() >= PULSE {
                said = Instant::now();
                let pulse = Pulse::sum(jobs.iter().filter_map(|job| last_pulse(&job.text().ok()?)));
                let pulse = pulse.filter(|pulse| pulse.is_guided());
                if let Some(pulse) = &pulse {
                    println!("    {:>4} s  {pulse}", start.elapsed().as_secs());
                }
                if has_ended {
                    return pulse.map(drop).context("no coverage is told: is it instrumented?");
                }
            }
            if start.elapsed() > time + LOADING {
                bail!("the fuzzer does not end; logs: {}", self.paths.logs().display());
            }
            std::thread::sleep(POLL);
        }
    }

    /// What a person is told of a failure.
    fn finding(&self, job: &Job, status: ExitStatus) -> Result<String> {
        if status.code() == Some(INTERRUPTED) {
            return Ok("the fuzzer was interrupted".to_owned());
        }
        let text = job.text()?;
        let log = job.log.display();
        let Some(input) = log::written(&text) else {
            return Ok(format!("the fuzzer failed ({status})\n{}\nwhole log: {log}", tail(&text)));
        };
        Ok(format!(
            "{}\nfound by the input {input}\nto run it again: cargo xtask fuzz {} --input {input}\n\
             whole log: {log}",
            log::message(&text),
            self.target,
        ))
    }

    /// Keeps of a corpus that has grown large what adds something.
    fn boil_down(&self) -> Result<()> {
        if fs::read_dir(&self.corpus)?.count() <= CORPUS_MAX {
            return Ok(());
        }
        let fresh = self.corpus.with_extension("new");
        step(&format!("boil down the corpus of {}", self.target), || {
            make_folder(&fresh)?;
            Program::new(&self.binary)
                .args(self.limits())
                .arg("-merge=1")
                .args([&fresh, &self.corpus])
                .log(self.paths.log(&format!("fuzz-{}-merge", self.target))?)
                .run()?;
            fs::remove_dir_all(&self.corpus)?;
            fs::rename(&fresh, &self.corpus)?;
            Ok(())
        })
    }
}

/// A fuzzer that runs.
struct Job {
    running: Running,
    log: PathBuf,
}

impl Job {
    fn text(&self) -> Result<String> {
        let bytes = fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
