// SPDX-License-Identifier: MIT
// The archive reader: members lie in the archive one behind the other, and are found by their path.
#include "lib/ustar.hpp"

#include "fuzz/fuzz.hpp"
#include "lib/address.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

namespace {

constexpr std::size_t block = 512;

std::string path_of(const lib::UstarEntry& entry) {
    lib::FixedText<300> text;
    entry.write_path(text);
    return std::string(text.view());
}

bool inside(std::string_view text, lib::Bytes bytes) {
    const std::string_view whole = lib::as_text(bytes);
    return text.empty() ||
           (std::less_equal<>()(whole.data(), text.data()) &&
            std::less_equal<>()(text.data() + text.size(), whole.data() + whole.size()));
}

void check_name(std::string_view name) {
    PROMISE(!name.starts_with('/'));
    PROMISE(!name.starts_with("./"));
    PROMISE(!name.ends_with('/'));
    PROMISE(name != ".");
    PROMISE(name.find('\0') == std::string_view::npos);
}

/// Gives the offset of the header behind the member whose header stands at `offset`.
std::size_t check_member(const lib::UstarEntry& entry, lib::Bytes archive, std::size_t offset) {
    const lib::Bytes header = archive.subspan(offset, block);
    PROMISE(inside(entry.name, header.first(100)));
    PROMISE(inside(entry.prefix, header.subspan(345, 155)));
    PROMISE(inside(entry.link_target, header.subspan(157, 100)));
    check_name(entry.name);
    check_name(entry.prefix);
    PROMISE(entry.mode <= 07777);
    PROMISE(entry.content.data() == header.data() + block);
    PROMISE(entry.content.size() <= archive.size() - offset - block);
    if (entry.kind == lib::UstarEntry::Kind::directory) PROMISE(entry.content.empty());
    const std::string path = path_of(entry);
    if (!entry.name.empty() || entry.prefix.empty()) {
        PROMISE(entry.matches(path));
        PROMISE(entry.matches("./" + path + "/"));
        PROMISE(!entry.matches(path + "x"));
    }
    return offset + block + align_up(entry.content.size(), block);
}

/// The first member with the path of a member is that one or one before it.
void check_find(const std::vector<lib::UstarEntry>& members, lib::Bytes archive) {
    for (const lib::UstarEntry& member : members) {
        if (member.kind == lib::UstarEntry::Kind::other || member.name.empty()) continue;
        const auto found = lib::ustar_find(archive, path_of(member));
        PROMISE(found.ok());
        PROMISE(found->content.data() <= member.content.data());
        PROMISE(path_of(*found) == path_of(member));
    }
}

void run(lib::Bytes archive) {
    lib::UstarReader reader(archive);
    std::vector<lib::UstarEntry> members;
    std::size_t offset = 0;
    for (;;) {
        const auto next = reader.next();
        if (!next.ok()) {
            PROMISE(next.error() == Error::bad_format);
            const auto again = reader.next();
            PROMISE(!again.ok() && again.error() == Error::bad_format);
            break;
        }
        if (!next->has_value()) {
            PROMISE(archive.size() - offset >= block);
            PROMISE(lib::ustar_find(archive, "no such member").error() == Error::not_found);
            break;
        }
        PROMISE(archive.size() >= block && offset <= archive.size() - block);
        offset = check_member(**next, archive, offset);
        members.push_back(**next);
    }
    check_find(members, archive);
}

/// Header after header, as far as sizes lead to further ones.
void repair(std::span<std::byte> archive) {
    for (std::size_t offset = 0; archive.size() - offset >= block;) {
        const std::span<std::byte> header = archive.subspan(offset, block);
        std::memset(&header[148], ' ', 8);
        unsigned sum = 0;
        for (const std::byte byte : header) sum += std::to_integer<unsigned>(byte);
        if (sum == 8 * ' ') {
            std::memset(&header[148], 0, 8);
            return;
        }
        char digits[8];
        std::snprintf(digits, sizeof digits, "%06o", sum);
        std::memcpy(&header[148], digits, sizeof digits);
        unsigned long size = 0;
        char field[13] = {};
        std::memcpy(field, &header[124], 12);
        const bool has_content = header[156] < std::byte{'1'} || header[156] > std::byte{'6'};
        if (has_content) size = std::strtoul(field, nullptr, 8);
        const std::size_t step = block + align_up(std::min<std::size_t>(size, 1 << 30), block);
        if (step > archive.size() - offset) return;
        offset += step;
    }
}

} // namespace

const fuzz::Target fuzz::ustar{run, repair};
