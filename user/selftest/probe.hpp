// SPDX-License-Identifier: MIT
// Accesses to a page that tell of a fault instead of ending the process: by system calls, which
// copy through the translations of the processor that runs the caller, as its own accesses would.
#pragma once

#include "user/lib/calls.hpp"

#include <span>

namespace selftest {

/// Bytes of a page that probes use: the first is read, and must be zero; then 8 are written.
inline constexpr std::uint64_t probed_byte = 1024;
inline constexpr std::uint64_t probed_word = 1032;

/// Whether the page can be read: a set of no processor is refused, but only once it was read.
inline bool can_read(std::uint64_t page) {
    const auto* set = reinterpret_cast<const std::uint8_t*>(page + probed_byte);
    const auto asked = user::thread_affinity(abi::no_handle, std::span(set, 1));
    return !asked.ok() && asked.error() == Error::invalid_argument;
}

/// Whether the page can be written: the process's id is written there.
inline bool can_write(std::uint64_t page) {
    return user::system_call<user::Call::process_info>(abi::no_handle, page + probed_word, 8) == 8;
}

} // namespace selftest
