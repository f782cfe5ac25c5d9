// SPDX-License-Identifier: MIT
// Files by name. Today all of them lie in the boot archive, which is mapped at the first use; a
// file system server takes this interface over.
#pragma once

#include "lib/bytes.hpp"
#include "lib/format.hpp"
#include "lib/result.hpp"

#include <cstdint>
#include <string_view>

namespace user {

enum class FileKind : std::uint8_t { file, directory, link, other };

/// A file: its content is memory, valid as long as the program runs, of the boot archive.
struct File {
    FileKind kind;
    lib::Bytes content;
    std::uint64_t offset = 0; ///< of the content in the archive's memory object
};

/// What `list_files` tells about a member of a directory.
struct FileName {
    std::string_view name; ///< without the directory's; valid during the visit
    FileKind kind;
    std::uint64_t bytes;
};

/// Opens by path; `/` in front and behind don't count. Errors: not_found, bad_format (damaged
/// archive), or what mapping the archive gave.
Result<File> open_file(std::string_view path);

/// Appends the path of the file that holds an offset of the archive's memory object, pages taken
/// whole; gives the offset in the file. Errors: not_found (no file's), or as above.
Result<std::uint64_t> write_file_at(std::uint64_t offset, lib::TextWriter& path);

/// Calls visit(context, name) for everything directly in the directory, "" or "/" being the root.
/// Errors: not_found, invalid_argument (not a directory), bad_format.
Result<void> list_files(std::string_view directory, void (*visit)(void*, const FileName&),
                        void* context);

/// The same for a callable that takes a FileName.
template <typename Callable>
    requires requires(Callable& callable, const FileName& name) { callable(name); }
Result<void> list_files(std::string_view directory, Callable callable) {
    return list_files(
        directory,
        [](void* context, const FileName& name) { (*static_cast<Callable*>(context))(name); },
        static_cast<void*>(&callable));
}

} // namespace user
