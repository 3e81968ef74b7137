//! Every example runs to its end: each asserts what it shows.

#[path = "../data_model.rs"]
mod data_model;
#[path = "../embed.rs"]
mod embed;
#[path = "../two_members.rs"]
mod two_members;

#[test]
fn the_data_model_is_as_its_example_says() {
    data_model::main().expect("the example runs");
}

#[test]
fn two_members_meet_in_one_process() {
    two_members::main().expect("the example runs");
}

#[test]
fn a_program_embeds_members() {
    embed::main().expect("the example runs");
}
