// SPDX-License-Identifier: MIT
// Numbers as people type them.
#pragma once

#include "lib/result.hpp"

#include <cstdint>
#include <string_view>

namespace user {

/// A decimal number. Errors: invalid_argument (not one), too_large.
Result<std::uint64_t> parse_number(std::string_view text);
/// Seconds with up to nine decimals ("2", "0.25"), as nanoseconds. Errors: the same.
Result<std::uint64_t> parse_seconds(std::string_view text);

/// A size with K, M or G behind it ("64M"), as bytes. Errors: the same.
Result<std::uint64_t> parse_size(std::string_view text);

} // namespace user
