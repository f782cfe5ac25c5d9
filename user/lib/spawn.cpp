// SPDX-License-Identifier: MIT
// Starting programs by name.
#include "user/lib/spawn.hpp"

#include "lib/elf_plan.hpp"
#include "lib/format.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/files.hpp"

#include <algorithm>
#include <array>

namespace user {

namespace {

constexpr unsigned standard_count = static_cast<unsigned>(StandardHandle::count);

/// The path of a command: as it stands when it has a `/` in it, else in bin.
Result<File> open_program(std::string_view name) {
    if (name.find('/') != std::string_view::npos) return open_file(name);
    lib::FixedText<128> path;
    path.append("bin/");
    path.append(name);
    if (name.empty() || path.truncated()) return Error::not_found;
    return open_file(path.view());
}

/// The same as spawn_image, for a file at an offset in the archive, or (no_handle) anywhere.
Result<OwnedHandle> spawn_file(std::string_view name, lib::Bytes file, abi::Handle object,
                               std::uint64_t offset, Arguments arguments,
                               const SpawnOptions& options) {
    std::array<abi::Handle, abi::plan_handle_limit> list{handles.console, handles.archive,
                                                         handles.directory};
    if (options.extra.size() > list.size() - standard_count) return Error::limit_reached;
    std::ranges::copy(options.extra, list.begin() + standard_count);
    lib::ProgramPlan plan;
    TRY(lib::plan_program({.name = name,
                           .file = file,
                           .object = object,
                           .object_offset = offset,
                           .arguments = arguments,
                           .handles = std::span(list).first(standard_count + options.extra.size()),
                           .priority = options.priority},
                          plan));
    plan.plan.memory_limit = options.memory_limit;
    plan.plan.handle_limit = options.handle_limit;
    OwnedHandle process(TRY(spawn_plan(plan.plan)));
    // A process that the directory could not note runs all the same.
    if (options.enrolled) (void)directory::enroll(process.get());
    return process;
}

} // namespace

Result<OwnedHandle> spawn_image(std::string_view name, std::span<const std::byte> file,
                                Arguments arguments, const SpawnOptions& options) {
    return spawn_file(name, file, abi::no_handle, 0, arguments, options);
}

Result<OwnedHandle> spawn(Arguments arguments, const SpawnOptions& options) {
    if (arguments.empty()) return Error::invalid_argument;
    const File file = TRY(open_program(arguments[0]));
    if (file.kind != FileKind::file) return Error::bad_format;
    const std::string_view path = arguments[0];
    return spawn_file(path.substr(path.rfind('/') + 1), file.content, handles.archive, file.offset,
                      arguments, options);
}

Result<std::int32_t> run(Arguments arguments, const SpawnOptions& options) {
    const OwnedHandle process = TRY(spawn(arguments, options));
    return process_wait(process.get());
}

} // namespace user
