#![no_main]

use std::sync::Once;

// redb panics on some damaged files, and the store catches that: only other panics may end the process, which
// libFuzzer's own hook would do at once.
static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    datafan_fuzz::store_file::attack(bytes);
});
