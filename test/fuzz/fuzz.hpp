// SPDX-License-Identifier: MIT
// Fuzz targets: functions that feed bytes nobody has checked to a parser and demand what it
// promises. libFuzzer calls them through entry.cpp; test/hosted/fuzz_corpus_test.cpp runs them
// once over the committed inputs, so that neither rots.
#pragma once

#include "lib/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace fuzz {

/// A promise that a parser broke.
struct Violation : std::logic_error {
    using std::logic_error::logic_error;
};

/// Throws Violation with the place and the words of a promise that does not hold.
#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            throw fuzz::Violation(std::string(__FILE__ ":" FUZZ_WORDS(__LINE__) ": ") +            \
                                  #condition);                                                     \
        }                                                                                          \
    } while (false)
#define FUZZ_WORDS(line) FUZZ_QUOTE(line)
#define FUZZ_QUOTE(words) #words

/// X(name): a target of that name in a file of that name.
#define FUZZ_TARGETS(X)                                                                            \
    X(acpi_root)                                                                                   \
    X(acpi_table)                                                                                  \
    X(elf)                                                                                         \
    X(memory_map)                                                                                  \
    X(multiboot2)                                                                                  \
    X(pvh)                                                                                         \
    X(ustar)

/// What a target consists of.
struct Target {
    /// Parses `input` and checks the promises. Throws Violation.
    void (*run)(lib::Bytes input);
    /// Makes checksums right, so that mutated inputs reach what lies behind them; or null.
    void (*repair)(std::span<std::byte> input) = nullptr;
    /// Most mutations happen in that many bytes at the beginning; 0: anywhere.
    std::size_t head_bytes = 0;
};

#define FUZZ_DECLARE(name) extern const Target name;
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/// Sets the byte at `at` so that all of `bytes` add up to 0.
inline void fix_sum(std::span<std::byte> bytes, std::size_t at) {
    unsigned sum = 0;
    bytes[at] = std::byte{0};
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
    bytes[at] = static_cast<std::byte>(0U - sum);
}

} // namespace fuzz
