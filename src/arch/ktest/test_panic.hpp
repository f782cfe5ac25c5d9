// SPDX-License-Identifier: MIT
// Panics on purpose, so that a test can read the report.
#pragma once

namespace arch::ktest {

/// Ends the kernel if the command line has one of these words, else returns.
///   panic        an invariant that does not hold
///   panic=fault  a read of an address that is not mapped
///   panic=stack  a stack that overflows
///   panic=array  an index out of bounds
void test_panic_if_wanted();

} // namespace arch::ktest
