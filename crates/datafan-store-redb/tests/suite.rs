//! The store on redb passes the suite of all stores.

mod medium;

use datafan_testkit::store::check_store;
use medium::File;

#[test]
fn passes_the_suite() {
    check_store(File::new);
}
