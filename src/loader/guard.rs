//! The last line of defence: a panic of aya-obj becomes an error. What `prepare` lets through is not known to cause any.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::error::LoadError;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which reads what others wrote. `doing` is for the error, such as `read object of gadget "x"`.
pub(super) fn guarded<T>(doing: impl Fn() -> String, work: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    silence();
    let before = QUIET.replace(true);
    // What `work` had in its hands is dropped with it.
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    result.unwrap_or_else(|panic| Err(LoadError::object(doing(), Panicked(text(&*panic)))))
}

/// Panics within [`guarded`] print nothing; all others what they always did.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                others(info);
            }
        }));
    });
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given").to_owned()
}

#[derive(Debug, thiserror::Error)]
#[error("the object is malformed in a way that is not foreseen: {0}")]
struct Panicked(String);

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic is an error that says what was being done, and later panics are reported as ever.
    #[test]
    fn panics_become_errors() {
        let doing = || "read it".to_owned();
        let error = guarded(doing, || -> Result<(), LoadError> { panic!("index {} out of range", 7) }).unwrap_err();
        assert_eq!(error.to_string(), "read it");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.ends_with("index 7 out of range"), "{source}");
        assert!(!QUIET.get());
        assert!(guarded(doing, || Ok(1)).is_ok());
    }
}
