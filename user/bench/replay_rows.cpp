// SPDX-License-Identifier: MIT
// Recorded traces of real programs from end to end, each time in a fresh copy of a process that has
// the files and the table of calls ready. The tables are in the benchmark's own boot archive.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/bench/trace.hpp"
#include "user/lib/files.hpp"
#include "user/lib/handle.hpp"

namespace bench {

namespace {

constexpr int runs = 5;
constexpr std::size_t most_files = 64;
abi::Handle files[most_files];

/// What a copy tells.
struct Report {
    std::uint64_t time;
    std::uint64_t done;   ///< calls
    std::uint64_t result; ///< of the one that did not do as it had to: an Error, or 0
};

/// A copy of the table in memory of this process's own, touched: aligned, and without faults later.
trace::Table read_table(lib::Bytes content) {
    const std::uint64_t bytes = align_up(content.size() + 1, page_size);
    const std::uint64_t memory = must(user::map(bytes), "map");
    std::memcpy(reinterpret_cast<void*>(memory), content.data(), content.size());
    return trace::Table::of(reinterpret_cast<const void*>(memory), content.size());
}

/// A file is a memory object, all of its pages in memory.
abi::Handle make_cached_file(std::uint64_t bytes) {
    const abi::Handle file = must(user::memory_create(bytes), "a file's memory");
    const std::uint64_t all =
        must(user::map_object(file, 0, bytes, abi::access_read | abi::access_write), "map");
    touch(all, bytes);
    must(user::unmap(all, bytes), "unmap");
    return file;
}

/// Nothing of this process may lie where the trace maps.
bool lies_apart(const trace::Table& table) {
    for (std::uint64_t from = 0;;) {
        abi::Run runs_found[16];
        const auto found = must(user::query(abi::no_handle, from, runs_found), "query");
        if (found.empty()) return true;
        for (const abi::Run& run : found) {
            from = run.end;
            if (table.concerns(run.start, run.end)) return false;
        }
    }
}

Result<void> fork_and_reap() {
    const user::OwnedHandle child(TRY(user::fork_process()));
    if (!child) user::process_exit(0);
    const auto status = TRY(user::process_wait(child.get()));
    return status == 0 ? Result<void>{} : Error::peer_closed;
}

Result<void> at_its_place(Result<std::uint64_t> got, std::uint64_t wanted) {
    const std::uint64_t address = TRY(std::move(got));
    return address == wanted ? Result<void>{} : Error::no_space;
}

Result<void> make(const trace::Call& call) {
    const std::uint32_t noreserve = call.has(trace::is_noreserve) ? abi::map_noreserve : 0U;
    const std::uint32_t flags = abi::map_replace | noreserve;
    switch (call.kind) {
    case trace::Kind::map:
        return at_its_place(
            user::map(call.bytes, {.address = call.address, .access = call.access, .flags = flags}),
            call.address);
    case trace::Kind::map_file:
        return at_its_place(
            user::map_object(files[call.file], call.address, call.bytes, call.access,
                             flags | (call.has(trace::is_private) ? abi::map_private : 0U),
                             call.other),
            call.address);
    case trace::Kind::unmap: return user::unmap(call.address, call.bytes);
    case trace::Kind::protect: return user::protect(call.address, call.bytes, call.access);
    case trace::Kind::discard: return user::discard(call.address, call.bytes);
    case trace::Kind::remap:
        return at_its_place(
            user::remap(call.address, call.bytes, call.new_bytes, abi::map_replace, call.other),
            call.other);
    case trace::Kind::fork: return fork_and_reap();
    }
    return Error::unsupported;
}

bool is_as_wanted(const trace::Call& call, const Result<void>& result) {
    if (call.has(trace::is_refused)) return !result && result.error() == Error::not_mapped;
    return result.ok();
}

void replay(const trace::Table& table, Report& report) {
    std::uint64_t done = 0;
    const std::uint64_t begun = time_stamp();
    for (const trace::Call& call : table.calls) {
        const auto result = make(call);
        if (!is_as_wanted(call, result)) {
            report.result = result ? 0 : static_cast<std::uint64_t>(result.error());
            break;
        }
        if (call.has(trace::is_written)) touch(call.address, call.bytes);
        if (call.has(trace::is_read)) read_all(call.address, call.bytes);
        ++done;
    }
    report.time = time_stamp() - begun;
    report.done = done;
}

bool run_in_copy(std::string_view row, const trace::Table& table, Report& report) {
    report = {};
    const user::OwnedHandle copy(must(user::fork_process(), "fork"));
    if (!copy) {
        replay(table, report);
        user::process_exit(0);
    }
    if (must(user::process_wait(copy.get()), "wait") != 0) {
        fail(row, "its process failed");
        return false;
    }
    if (report.done == table.calls.size()) return true;
    const auto error = static_cast<Error>(report.result);
    user::print("# {}: call {}: {}\n", row, std::uint64_t{report.done},
                report.result == 0 ? "was not refused" : describe(error));
    fail(row, "a call did not do as it had to");
    return false;
}

} // namespace

void measure_replay(std::string_view row, std::string_view path) {
    const auto file = user::open_file(path);
    if (!file) return leave_out(row, "its trace is not in the boot archive");
    const trace::Table table = read_table(file->content);
    if (table.header == nullptr || table.file_bytes.size() > most_files)
        return fail(row, "no table of calls");
    for (std::size_t i = 0; i < table.file_bytes.size(); ++i)
        files[i] = make_cached_file(table.file_bytes[i]);
    const user::OwnedHandle shared(must(user::memory_create(page_size), "memory"));
    const std::uint64_t page = must(
        user::map_object(shared.get(), 0, page_size, abi::access_read | abi::access_write), "map");
    if (!lies_apart(table)) return fail(row, "the trace maps over this process");
    auto& report = *reinterpret_cast<Report*>(page);
    Samples samples(runs);
    for (int i = -1; i < runs; ++i) {
        if (!run_in_copy(row, table, report)) return;
        if (i >= 0) samples.add(0, report.time);
    }
    samples.print(row, table.header->operations);
}

} // namespace bench
