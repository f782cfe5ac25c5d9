// SPDX-License-Identifier: MIT
// Kernel instructions that may fault, and where to go on when they did.
#pragma once

#include <cstdint>

namespace arch {

/// One record of the section .extable: instructions in [start, end) may fault on the memory they
/// were asked to touch; then execution goes on at `fixup`, other registers unchanged.
struct ExceptionRecord {
    std::uint64_t start;
    std::uint64_t end;
    std::uint64_t fixup;
};

/// The record for a kernel instruction, or null.
const ExceptionRecord* find_exception_record(std::uint64_t instruction);

} // namespace arch
