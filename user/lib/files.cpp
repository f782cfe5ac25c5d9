// SPDX-License-Identifier: MIT
// Files by name, out of the boot archive.
#include "user/lib/files.hpp"

#include "lib/address.hpp"
#include "lib/format.hpp"
#include "lib/ustar.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/locks.hpp"
#include "user/lib/program.hpp"
#include "user/lib/vector.hpp"

#include <span>

namespace user {

namespace {

/// A member of the archive, and a hash of its path, which spares most comparisons.
struct Member {
    std::uint64_t path_hash;
    lib::UstarEntry entry;
};

Vector<Member>* members = nullptr;        ///< made at the first use; then it stays as it is
const std::byte* archive_start = nullptr; ///< set with it

std::uint64_t offset_of(const Member& member) {
    return static_cast<std::uint64_t>(member.entry.content.data() - archive_start);
}

/// FNV-1a.
std::uint64_t hash_of(std::string_view path) {
    std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
    for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3;
    return hash;
}

/// The archive's memory.
Result<lib::Bytes> map_archive() {
    const std::uint64_t address = TRY(map_object(handles.archive, 0, 0, abi::access_read));
    const abi::ObjectInfo info = TRY(object_info(handles.archive));
    return lib::Bytes{reinterpret_cast<const std::byte*>(address), info.bytes};
}

Result<void> read_members(Vector<Member>& list) {
    const lib::Bytes archive = TRY(map_archive());
    lib::UstarReader reader(archive);
    for (;;) {
        const auto entry = TRY(reader.next());
        if (!entry) {
            archive_start = archive.data();
            return {};
        }
        // What has the next file's content begin on a page boundary.
        if (entry->kind == lib::UstarEntry::Kind::other) continue;
        lib::FixedText<256> path;
        entry->write_path(path);
        list.push({hash_of(path.view()), *entry});
    }
}

/// All members of the archive.
Result<std::span<const Member>> all_members() {
    MutexLock lock(runtime_locks.files);
    if (members == nullptr) {
        auto* list = new Vector<Member>;
        if (const auto read = read_members(*list); !read) {
            delete list;
            return read.error();
        }
        members = list;
    }
    return std::span<const Member>(members->begin(), members->size());
}

std::string_view trim_slashes(std::string_view path) {
    while (path.starts_with('/')) path.remove_prefix(1);
    while (path.starts_with("./")) path.remove_prefix(2);
    if (path == ".") path = {};
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
}

FileKind kind_of(lib::UstarEntry::Kind kind) {
    switch (kind) {
    case lib::UstarEntry::Kind::file: return FileKind::file;
    case lib::UstarEntry::Kind::directory: return FileKind::directory;
    case lib::UstarEntry::Kind::link: return FileKind::link;
    case lib::UstarEntry::Kind::other: break;
    }
    return FileKind::other;
}

} // namespace

Result<File> open_file(std::string_view path) {
    path = trim_slashes(path);
    if (path.empty()) return File{FileKind::directory, {}};
    const std::uint64_t hash = hash_of(path);
    for (const Member& member : TRY(all_members())) {
        if (member.path_hash != hash || !member.entry.matches(path)) continue;
        return File{kind_of(member.entry.kind), member.entry.content, offset_of(member)};
    }
    return Error::not_found;
}

Result<std::uint64_t> write_file_at(std::uint64_t offset, lib::TextWriter& path) {
    for (const Member& member : TRY(all_members())) {
        const std::uint64_t start = align_down(offset_of(member), page_size);
        if (member.entry.kind != lib::UstarEntry::Kind::file || offset < start) continue;
        if (offset - start >= align_up(member.entry.content.size(), page_size)) continue;
        member.entry.write_path(path);
        return offset - start;
    }
    return Error::not_found;
}

Result<void> list_files(std::string_view directory, void (*visit)(void*, const FileName&),
                        void* context) {
    directory = trim_slashes(directory);
    const File opened = TRY(open_file(directory));
    if (opened.kind != FileKind::directory) return Error::invalid_argument;
    for (const Member& member : TRY(all_members())) {
        lib::FixedText<256> path;
        member.entry.write_path(path);
        std::string_view rest = path.view();
        if (!directory.empty()) {
            if (!rest.starts_with(directory)) continue;
            rest.remove_prefix(directory.size());
            if (!rest.starts_with('/')) continue;
            rest.remove_prefix(1);
        }
        if (rest.empty() || rest.find('/') != std::string_view::npos) continue;
        visit(context, {rest, kind_of(member.entry.kind), member.entry.content.size()});
    }
    return {};
}

} // namespace user
