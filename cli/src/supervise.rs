//! `__supervise`: stands between the program and a receiver that it spawned.
//!
//! The program holds the other end of our standard input. When that ends, for whatever reason (also when the program
//! was killed and could do nothing any more), the receiver's whole process group is ended: in order, or at once when
//! the program has written [`AT_ONCE`] first. So it is when we are told to end ourselves: `pkill` finds both of us.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use paragon_testkit::clock::Stopwatch;

use crate::group::Group;

/// After being asked to, a receiver may take so long to end.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked whether it has ended.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// A program that is told to end as well ends within this time.
const PROGRAM_ENDS: Duration = Duration::from_secs(1);

/// Asks for the end without a grace.
pub(crate) const AT_ONCE: u8 = b'k';

enum Happened {
    ReceiverEnded(u8),
    ProgramGone { at_once: bool },
    ToldToEnd,
}

pub(crate) fn run(command: &str) -> u8 {
    // Before there is a receiver that nobody would end.
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
            // The program ends too, if it was told as well: it shall not take us for a receiver that has ended by itself.
            let _ = (wait.recv_timeout(PROGRAM_ENDS), wait.recv_timeout(PROGRAM_ENDS));
            0
        }
    };
    // What the receiver started and left behind.
    group.end();
    code
}

/// What a shell has started is ours when the shell has ended, so that it is seen when that ends as well.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Asks all of a group to end, and waits until they have. The shell may end long before the receiver that it started.
fn end_in_order(group: &Group) {
    group.ask_to_end();
    let asked = Stopwatch::start();
    while group.is_alive() && asked.elapsed() < GRACE {
        std::thread::park_timeout(LOOK_EACH);
    }
}

/// Waits for a signal that asks for the end, from this call on. Without a runtime it ends us as it ends everybody.
fn told_to_end() -> std::io::Result<impl FnOnce() + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let interrupted = {
        let _entered = runtime.enter();
        crate::interrupt::interrupted()
    };
    Ok(move || runtime.block_on(interrupted))
}
