//! A program on a pseudo-terminal: keys go in, and what it writes becomes a screen.

use crate::far::LIMIT;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vt100::{Parser, Screen};

/// What the shell around the program says before it, and before its exit status.
const BEFORE: &str = "before";

/// See the module's head.
pub(crate) struct Terminal {
    /// `None`: it is gone.
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<Parser>>,
    reader: Option<JoinHandle<()>>,
    /// The reader ends with what it reads next.
    is_closing: Arc<AtomicBool>,
    shell: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    /// Runs a program with its words on a terminal of `rows` lines, from a shell that stays when it
    /// ends.
    pub(crate) fn run<'a>(rows: u16, words: impl IntoIterator<Item = &'a OsStr>) -> Self {
        let size = size(rows);
        let pair = native_pty_system().openpty(size).expect("there are pseudo-terminals");
        let mut shell = CommandBuilder::new("sh");
        shell.arg("-c");
        shell.arg(format!("echo {BEFORE}; \"$@\"; echo \"status $?\"; read end"));
        shell.arg("sh");
        shell.args(words);
        // A panic's message is to fit on the screen.
        shell.env_remove("RUST_BACKTRACE");
        let mut output = pair.master.try_clone_reader().expect("it can be read");
        let screen = Arc::new(Mutex::new(Parser::new(size.rows, size.cols, 0)));
        let is_closing = Arc::new(AtomicBool::new(false));
        let (seen, is_over) = (Arc::clone(&screen), Arc::clone(&is_closing));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(nr @ 1..) = output.read(&mut bytes) {
                seen.lock().expect("no test fails with it").process(&bytes[..nr]);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        Self {
            keys: pair.master.take_writer().expect("it can be written"),
            shell: pair.slave.spawn_command(shell).expect("there is a shell"),
            master: Some(pair.master),
            screen,
            reader: Some(reader),
            is_closing,
        }
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// Makes the terminal so many lines high, as a person does with a window.
    pub(crate) fn resize(&mut self, rows: u16) {
        let size = size(rows);
        self.screen.lock().expect("no test fails with it").screen_mut().set_size(rows, size.cols);
        self.master().resize(size).expect("it has a size");
    }

    /// The terminal goes away: its other end is closed. `key` has the program write something, for
    /// the reader has to let go of it, too.
    pub(crate) fn hang_up(&mut self, key: &str) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.keys(key);
        self.reader.take().expect("it reads").join().expect("it ends");
        // Until it has written all and waits for keys again.
        std::thread::sleep(Duration::from_millis(100));
        self.keys = Box::new(std::io::sink());
        self.master = None;
    }

    fn master(&self) -> &dyn MasterPty {
        self.master.as_deref().expect("it is there")
    }

    /// Waits until the screen shows what is `wanted`, as `look` finds it there.
    #[track_caller]
    pub(crate) fn shows<T: PartialEq + std::fmt::Debug>(
        &self,
        wanted: &T,
        look: impl Fn(&Screen) -> T,
    ) {
        let start = Instant::now();
        loop {
            let (seen, whole) = self.look(|screen| (look(screen), screen.contents()));
            if seen == *wanted {
                return;
            }
            assert!(start.elapsed() < LIMIT, "wanted {wanted:#?}, seen {seen:#?} in\n{whole}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What is found on the screen now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.screen.lock().expect("no test fails with it").screen())
    }

    /// Whether keys come one by one and are not written back, as a program on the whole screen
    /// wants it.
    pub(crate) fn is_raw(&self) -> bool {
        let flags = self.master().get_termios().expect("it has settings").local_flags;
        let is = |bit: u32| flags.bits() & bit != 0;
        // ICANON, ECHO and ISIG of Linux.
        let is_cooked = [2, 8, 1].map(is);
        assert!(is_cooked.iter().all(|one| *one == is_cooked[0]), "half raw: {is_cooked:?}");
        !is_cooked[0]
    }

    /// Waits until the program has ended with an exit status, and asserts that the terminal is as it
    /// was before, but for what was said since.
    #[track_caller]
    pub(crate) fn is_left(&self, status: u8) {
        let status = format!("status {status}");
        self.shows(&true, |screen| screen.contents().contains(&status));
        let [first, .., last] = &self.look(lines)[..] else { unreachable!("there are lines") };
        assert_eq!((first.as_str(), last.as_str()), (BEFORE, status.as_str()));
        assert!(!self.is_raw());
        self.look(|screen| {
            assert!(!screen.alternate_screen() && !screen.hide_cursor());
            assert!(!screen.bracketed_paste() && !screen.application_cursor());
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn size(rows: u16) -> PtySize {
    PtySize { rows, cols: 130, pixel_width: 0, pixel_height: 0 }
}

/// The lines of a screen, without those below the last that has anything.
pub(crate) fn lines(screen: &Screen) -> Vec<String> {
    screen.contents().lines().map(|line| line.trim_end().to_owned()).collect()
}
