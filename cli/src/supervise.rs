//! `__supervise`: supervisor process between the program and a spawned receiver.
//!
//! The program holds the other end of the supervisor's standard input. When standard input ends, for whatever reason,
//! the supervisor ends the whole process group of the receiver. That works even if the program was killed. The group
//! gets SIGTERM and a grace period, or SIGKILL at once if the program has written [`AT_ONCE`] before. The supervisor
//! also ends the group when it gets a signal itself, because `pkill` finds both the program and the supervisor.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use paragon_testkit::clock::Stopwatch;

use crate::group::Group;

/// Time that a receiver has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Interval between two checks whether the receiver has ended.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// Time within which the program ends, if it got the signal as well.
const PROGRAM_ENDS: Duration = Duration::from_secs(1);

/// Byte on standard input that asks for SIGKILL without a grace period.
pub(crate) const AT_ONCE: u8 = b'k';

enum Happened {
    ReceiverEnded(u8),
    ProgramGone { at_once: bool },
    ToldToEnd,
}

pub(crate) fn run(command: &str) -> u8 {
    // Signals are caught before the receiver is started. Otherwise a signal in between would leave the receiver
    // running.
    let told_to_end = told_to_end();
    adopt_orphans();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut receiver = match shell.spawn() {
        Ok(receiver) => receiver,
        Err(error) => {
            crate::output::error(&format!("cannot run sh: {error}"));
            return 127;
        }
    };
    let group = Group::led_by(Some(receiver.id()));
    let (happened, wait) = mpsc::channel();
    let (told, gone) = (happened.clone(), happened.clone());
    if let Ok(told_to_end) = told_to_end {
        std::thread::spawn(move || {
            told_to_end();
            told.send(Happened::ToldToEnd)
        });
    }
    std::thread::spawn(move || {
        let mut told = [0];
        let at_once = std::io::stdin().read_exact(&mut told).is_ok() && told == [AT_ONCE];
        gone.send(Happened::ProgramGone { at_once })
    });
    std::thread::spawn(move || {
        let code = receiver.wait().ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        happened.send(Happened::ReceiverEnded(code.unwrap_or(u8::MAX)))
    });
    let code = match wait.recv() {
        Ok(Happened::ReceiverEnded(code)) => code,
        Ok(Happened::ProgramGone { at_once: true }) => {
            group.end();
            let _ = wait.recv_timeout(GRACE);
            0
        }
        Ok(Happened::ProgramGone { at_once: false }) | Err(_) => {
            end_in_order(&group);
            0
        }
        Ok(Happened::ToldToEnd) => {
            end_in_order(&group);
            // If the program got the signal as well, it ends too. Until then the supervisor stays, so that the program
            // does not report a receiver that has ended by itself.
            let _ = (wait.recv_timeout(PROGRAM_ENDS), wait.recv_timeout(PROGRAM_ENDS));
            0
        }
    };
    // Ends the processes that the receiver has left behind.
    group.end();
    code
}

/// Makes this process the parent of orphaned descendants (Linux only). It can then see when a process ends whose shell
/// has already ended.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Sends SIGTERM to the group, and waits until all its processes have ended, for at most [`GRACE`]. It waits for the
/// group, because the shell may end long before the receiver that it started.
fn end_in_order(group: &Group) {
    group.ask_to_end();
    let asked = Stopwatch::start();
    while group.is_alive() && asked.elapsed() < GRACE {
        std::thread::park_timeout(LOOK_EACH);
    }
}

/// Catches the signals that ask the program to end, from this call on, and returns a function that waits for one. If
/// this fails, a signal ends this process as usual.
fn told_to_end() -> std::io::Result<impl FnOnce() + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let interrupted = {
        let _entered = runtime.enter();
        crate::interrupt::interrupted()
    };
    Ok(move || runtime.block_on(interrupted))
}
