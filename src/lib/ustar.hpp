// SPDX-License-Identifier: MIT
// Reads ustar archives (POSIX.1-2017, pax, "ustar Interchange Format") in place. The archive is
// not trusted: headers are checked, lengths verified, nothing is allocated.
#pragma once

#include "lib/bytes.hpp"
#include "lib/format.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace lib {

/// A member of an archive; its texts and content lie in the archive.
struct UstarEntry {
    enum class Kind : std::uint8_t { file, directory, link, other };

    Kind kind = Kind::other;
    std::string_view prefix; // may be empty; else the path is prefix + "/" + name
    std::string_view name;   // without "./" or "/" in front and "/" behind
    std::string_view link_target;
    std::uint32_t mode = 0; // permission bits
    Bytes content;          // of a file

    /// Whether this is `path`; "./" and "/" in front of it and "/" behind it don't count.
    bool matches(std::string_view path) const;
    /// Appends the whole path.
    void write_path(TextWriter& text) const;
};

/// Walks through an archive from its beginning.
class UstarReader {
public:
    constexpr explicit UstarReader(Bytes archive) : archive_(archive) {}

    /// The next member; none at the archive's end mark. bad_format when a header is damaged, or
    /// the archive ends before its mark; the reader then stays where it is.
    Result<std::optional<UstarEntry>> next();

private:
    Bytes archive_;
    std::uint64_t offset_ = 0;
};

/// The first member with that path: not_found, or bad_format when the archive is damaged before it.
Result<UstarEntry> ustar_find(Bytes archive, std::string_view path);

} // namespace lib
