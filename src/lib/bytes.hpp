// SPDX-License-Identifier: MIT
// Reading records out of bytes that nobody has checked: every access has its bounds verified.
#pragma once

#include "lib/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace lib {

using Bytes = std::span<const std::byte>;

/// The part of `bytes` that begins at `offset` and is `length` long; bad_format when it is not all
/// there. Cannot overflow.
constexpr Result<Bytes> sub_bytes(Bytes bytes, std::uint64_t offset, std::uint64_t length) {
    if (offset > bytes.size() || length > bytes.size() - offset) return Error::bad_format;
    return bytes.subspan(offset, length);
}

/// Copies a little-endian integer or a plain record out of `bytes`; it need not be aligned.
template <typename T>
    requires std::is_trivially_copyable_v<T>
Result<T> read_record(Bytes bytes, std::uint64_t offset) {
    const Bytes source = TRY(sub_bytes(bytes, offset, sizeof(T)));
    T record;
    __builtin_memcpy(&record, source.data(), sizeof(T));
    return record;
}

/// The bytes as characters.
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace lib
