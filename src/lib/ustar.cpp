// SPDX-License-Identifier: MIT
// Reads ustar archives: blocks of 512 bytes, a header before each member, zeros at the end.
#include "lib/ustar.hpp"

#include "lib/address.hpp"

#include <algorithm>

namespace lib {
namespace {

constexpr std::uint64_t block_size = 512;
constexpr std::uint64_t checksum_offset = 148;
constexpr std::uint64_t checksum_bytes = 8;

/// A field of a header block, which is wholly there: up to its first NUL.
std::string_view field(Bytes header, std::size_t offset, std::size_t length) {
    const std::string_view text = as_text(header.subspan(offset, length));
    const auto end = std::ranges::find(text, '\0');
    return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

/// Octal digits, spaces around them allowed.
Result<std::uint64_t> octal(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    if (text.empty() || text.size() > 12) return Error::bad_format;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '7') return Error::bad_format;
        value = value * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

/// The sum of the header's bytes, its own field counted as spaces.
std::uint64_t sum(Bytes header) {
    std::uint64_t total = checksum_bytes * ' ';
    for (std::size_t i = 0; i < header.size(); ++i) {
        const bool inside = i >= checksum_offset && i < checksum_offset + checksum_bytes;
        if (!inside) total += std::to_integer<std::uint64_t>(header[i]);
    }
    return total;
}

std::string_view trim_front(std::string_view path) {
    for (;;) {
        if (path.starts_with('/')) {
            path.remove_prefix(1);
        } else if (path.starts_with("./")) {
            path.remove_prefix(2);
        } else {
            return path == "." ? std::string_view() : path;
        }
    }
}

std::string_view trim(std::string_view path) {
    path = trim_front(path);
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
}

UstarEntry::Kind kind_of(char type) {
    switch (type) {
    case '\0':
    case '0':
    case '7': return UstarEntry::Kind::file;
    case '1':
    case '2': return UstarEntry::Kind::link;
    case '5': return UstarEntry::Kind::directory;
    default: return UstarEntry::Kind::other;
    }
}

} // namespace

Result<std::optional<UstarEntry>> UstarReader::next() {
    const Bytes header = TRY(sub_bytes(archive_, offset_, block_size));
    const bool end_mark = std::ranges::all_of(header, [](std::byte b) { return b == std::byte{}; });
    if (end_mark) return std::optional<UstarEntry>();

    if (field(header, 257, 6) != "ustar" || header[262] != std::byte{}) return Error::bad_format;
    const std::string_view recorded = field(header, checksum_offset, checksum_bytes);
    if (TRY(octal(recorded)) != sum(header)) return Error::bad_format;

    UstarEntry entry;
    const char type = static_cast<char>(header[156]);
    entry.kind = kind_of(type);
    entry.mode = static_cast<std::uint32_t>(TRY(octal(field(header, 100, 8))) & 07777U);
    entry.prefix = trim(field(header, 345, 155));
    entry.name = trim(field(header, 0, 100));
    entry.link_target = field(header, 157, 100);

    // Links, devices and directories have no content, whatever their size field says.
    const bool has_content = type < '1' || type > '6';
    const std::uint64_t size = has_content ? TRY(octal(field(header, 124, 12))) : 0;
    const std::uint64_t content = offset_ + block_size;
    entry.content = TRY(sub_bytes(archive_, content, size));
    // The padding of the last member may be missing; then so is the end mark.
    offset_ = content + align_up(size, block_size);
    return std::optional<UstarEntry>(entry);
}

bool UstarEntry::matches(std::string_view path) const {
    path = trim(path);
    if (!prefix.empty()) {
        if (!path.starts_with(prefix) || !path.substr(prefix.size()).starts_with('/')) return false;
        path.remove_prefix(prefix.size() + 1);
    }
    return path == name;
}

void UstarEntry::write_path(TextWriter& text) const {
    text.append(prefix);
    if (!prefix.empty()) text.append("/");
    text.append(name);
}

Result<UstarEntry> ustar_find(Bytes archive, std::string_view path) {
    UstarReader reader(archive);
    for (;;) {
        const std::optional<UstarEntry> entry = TRY(reader.next());
        if (!entry.has_value()) return Error::not_found;
        if (entry->kind != UstarEntry::Kind::other && entry->matches(path)) return *entry;
    }
}

} // namespace lib
