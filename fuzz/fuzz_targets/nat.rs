#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ngraph_fuzz::targets::nat::run(bytes));
