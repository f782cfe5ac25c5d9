// SPDX-License-Identifier: MIT
// A recorded trace of memory-map operations (test/workloads/README.md), read and checked.
#pragma once

#include "lib/address.hpp"

#include <istream>
#include <stdexcept>
#include <string>
#include <vector>

namespace replay {

/// What is wrong, and with which line; 0: with the whole file.
struct Failure : std::runtime_error {
    Failure(unsigned where, const std::string& why) : std::runtime_error(why), line(where) {}
    unsigned line;
};

struct Operation {
    enum class Kind : std::uint8_t { map, unmap, protect, remap, brk, advise, fork };

    unsigned line = 0;
    Kind kind = Kind::fork;
    /// Whole pages of the user's half; of brk the new end, as it stands there.
    VirtRange range{};
    std::uint64_t access = 0; ///< abi::Access bits: map, protect
    bool shared = false;      ///< map: else private
    bool noreserve = false;
    std::string file;         ///< map: empty for anonymous memory
    std::uint64_t offset = 0; ///< map: of a file, in bytes, whole pages
    VirtRange to{};           ///< remap
    bool drops = false;       ///< advise: MADV_DONTNEED
};

/// All operations in order. Throws Failure at the first line that is not as the format says.
std::vector<Operation> parse(std::istream& text);
/// The same of a file. Failure of line 0 if it can't be read.
std::vector<Operation> parse_file(const std::string& name);

} // namespace replay
