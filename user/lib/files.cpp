// SPDX-License-Identifier: MIT
// Files by name, out of the boot archive.
#include "user/lib/files.hpp"

#include "lib/format.hpp"
#include "lib/ustar.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/mutex.hpp"
#include "user/lib/program.hpp"

#include <optional>

namespace user {

namespace {

constinit Mutex archive_mutex;
constinit lib::Bytes archive_bytes;

/// The archive's memory, mapped on first use.
Result<lib::Bytes> archive() {
    MutexLock lock(archive_mutex);
    if (!archive_bytes.empty()) return archive_bytes;
    const std::uint64_t address = TRY(map_object(handles.archive, 0, 0, abi::access_read));
    // Its length is that of the run of pages which it makes.
    const abi::Run run = TRY(nearest(abi::no_handle, address, abi::Direction::up));
    archive_bytes = {reinterpret_cast<const std::byte*>(address), run.end - address};
    return archive_bytes;
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
    const lib::Bytes bytes = TRY(archive());
    const auto entry = TRY(lib::ustar_find(bytes, path));
    return File{kind_of(entry.kind), entry.content};
}

Result<void> list_files(std::string_view directory, void (*visit)(void*, const FileName&),
                        void* context) {
    directory = trim_slashes(directory);
    const File opened = TRY(open_file(directory));
    if (opened.kind != FileKind::directory) return Error::invalid_argument;
    lib::UstarReader reader(TRY(archive()));
    for (;;) {
        const auto entry = TRY(reader.next());
        if (!entry) return {};
        lib::FixedText<256> path;
        entry->write_path(path);
        std::string_view rest = path.view();
        if (!directory.empty()) {
            if (!rest.starts_with(directory)) continue;
            rest.remove_prefix(directory.size());
            if (!rest.starts_with('/')) continue;
            rest.remove_prefix(1);
        }
        if (rest.empty() || rest.find('/') != std::string_view::npos) continue;
        visit(context, {rest, kind_of(entry->kind), entry->content.size()});
    }
}

} // namespace user
