// SPDX-License-Identifier: MIT
// The errors that Tabula's own code returns, and that system calls hand to user space.
#pragma once

#include <cstdint>

namespace abi {

/// Why an operation was refused. A system call returns the negated number.
/// The list stands once, with its words: `TABULA_ERRORS(X)` gives X(name, number, words).
#define TABULA_ERRORS(X)                                                                           \
    X(invalid_argument, 1, "invalid argument")                                                     \
    X(bad_address, 2, "bad address")                                                               \
    X(bad_handle, 3, "bad handle")                                                                 \
    X(not_permitted, 4, "not permitted")                                                           \
    X(no_memory, 5, "out of memory")                                                               \
    X(no_space, 6, "no free range of addresses")                                                   \
    X(not_mapped, 7, "not mapped")                                                                 \
    X(already_mapped, 8, "already mapped")                                                         \
    X(not_found, 9, "not found")                                                                   \
    X(limit_reached, 10, "limit reached")                                                          \
    X(bad_system_call, 11, "no such system call")                                                  \
    X(bad_format, 12, "bad format")                                                                \
    X(interrupted, 13, "interrupted")                                                              \
    X(would_block, 14, "would block")                                                              \
    X(peer_closed, 15, "the other side is gone")                                                   \
    X(unsupported, 16, "not supported")                                                            \
    X(too_large, 17, "too large")

enum class Error : std::int32_t {
#define TABULA_ERROR_ENUMERATOR(name, number, words) name = number,
    TABULA_ERRORS(TABULA_ERROR_ENUMERATOR)
#undef TABULA_ERROR_ENUMERATOR
};

/// The error in words, for people; "unknown error" for a number that is none.
constexpr const char* describe(Error error) {
    switch (error) {
#define TABULA_ERROR_WORDS(name, number, words)                                                    \
    case Error::name: return words;
        TABULA_ERRORS(TABULA_ERROR_WORDS)
#undef TABULA_ERROR_WORDS
    }
    return "unknown error";
}

} // namespace abi
