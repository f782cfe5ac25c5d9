// SPDX-License-Identifier: MIT
// maps: shows a memory map, a line for each run of pages in equal state:
//
//   START-END RIGHTS STATE PRESENT/PAGES SIZE-CLASS WHAT
//
// or, as a picture, for each table a block of cells.
#include "lib/format.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/files.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"
#include "user/maps/picture.hpp"

#include <array>

namespace {

/// What the last line sums up.
struct Totals {
    std::uint64_t runs = 0;
    std::uint64_t pages = 0;
    std::uint64_t present = 0;
};

std::string_view size_class(unsigned levels) {
    switch (levels) {
    case 1: return "4K";
    case 2: return "2M";
    case 4: return "1G";
    case 8: return "512G";
    default: return "mixed";
    }
}

const char* state_name(abi::State state) {
    const auto index = static_cast<std::size_t>(state);
    return index < std::size(abi::state_names) ? abi::state_names[index] : "?";
}

/// The number of the boot archive's memory object; 0 if it can't be had.
std::uint64_t archive_number() {
    static const std::uint64_t number = [] {
        const auto info = user::object_info(user::handles.archive);
        return info ? info->number : 0;
    }();
    return number;
}

/// A file by its name, if it is known, else by its object's number; and the offset in it.
void write_file(const abi::Run& run, lib::TextWriter& text) {
    if (run.id == archive_number()) {
        if (const auto offset = user::write_file_at(run.offset, text))
            return text.format("+{:x}", *offset);
        return text.format("archive+{:x}", run.offset);
    }
    text.format("file{}+{:x}", run.id, run.offset);
}

void write_what(const abi::Run& run, lib::TextWriter& text) {
    if (run.state == abi::State::callback)
        return text.append(run.id < std::size(abi::callback_names) ? abi::callback_names[run.id]
                                                                   : "callback");
    switch (run.origin) {
    case abi::Origin::anonymous:
        if (run.state == abi::State::shared)
            text.format("memory{}+{:x}", run.id, run.offset);
        else
            text.append("anonymous");
        return;
    case abi::Origin::file: write_file(run, text); return;
    case abi::Origin::window:
        if (run.id == abi::clock_page_id)
            text.append("clock");
        else
            text.format("window+{:x}", run.offset);
        return;
    case abi::Origin::callback: break; // in state callback only
    }
    text.append("?");
}

void print_run(const abi::Run& run, Totals& totals) {
    const std::uint64_t pages = (run.end - run.start) / page_size;
    ++totals.runs;
    totals.pages += pages;
    totals.present += run.present;
    const char rights[] = {(run.access & abi::access_read) != 0 ? 'r' : '-',
                           (run.access & abi::access_write) != 0 ? 'w' : '-',
                           (run.access & abi::access_execute) != 0 ? 'x' : '-'};
    lib::FixedText<288> what;
    write_what(run, what);
    user::print("{:012x}-{:012x} {} {} {}/{} {} {}\n", run.start, run.end,
                std::string_view(rights, sizeof rights), state_name(run.state), run.present, pages,
                size_class(run.levels), what.view());
}

/// Visits the runs of a process (no_handle: the own one).
template <typename Visit>
Result<void> for_process(abi::Handle process, Visit& visit) {
    std::array<abi::Run, 32> runs;
    std::uint64_t from = 0;
    for (;;) {
        const auto found = TRY(user::query(process, from, runs));
        for (const abi::Run& run : found) visit(run);
        if (found.size() < runs.size()) return {};
        from = found.back().end;
    }
}

/// The same with runs that init tells one by one.
template <typename Visit>
Result<void> for_told(Result<abi::Run> (*next_run)(std::uint64_t), Visit& visit) {
    std::uint64_t from = 0;
    for (;;) {
        const auto run = next_run(from);
        if (!run) {
            if (run.error() == Error::not_found) return {};
            return run.error();
        }
        visit(*run);
        from = run->end;
        if (from == 0) return {}; // the last byte of all addresses belonged to it
    }
}

/// The same of whom the command line names.
template <typename Visit>
Result<void> for_runs(std::string_view whose, Visit visit) {
    if (whose.empty()) return for_process(abi::no_handle, visit);
    if (whose == "kernel") return for_told(user::directory::kernel_run, visit);
    const auto id = TRY(user::parse_number(whose));
    const auto process = user::directory::find(id);
    if (process) return for_process(process->get(), visit);
    // Init has no handle to itself to give away, but tells about its map.
    if (process.error() != Error::not_permitted) return process.error();
    return for_told(user::directory::init_run, visit);
}

Result<void> print_map(std::string_view whose) {
    Totals totals;
    TRY(for_runs(whose, [&](const abi::Run& run) { print_run(run, totals); }));
    user::print("total {} runs, {}/{} pages\n", totals.runs, totals.present, totals.pages);
    return {};
}

Result<void> draw_map(std::string_view whose) {
    for (unsigned number = maps::top_level; number != 0; --number) {
        maps::Level level(number);
        TRY(for_runs(whose, [&](const abi::Run& run) { level.add(run); }));
        level.finish();
    }
    maps::draw_legend();
    return {};
}

} // namespace

int user::main(Arguments arguments) {
    const bool draws = arguments.size() > 1 && arguments[1] == std::string_view("--picture");
    if (const auto status = check_usage(arguments, 0, draws ? 2 : 1)) return *status;
    const std::size_t at = draws ? 2 : 1;
    const std::string_view whose = arguments.size() > at ? arguments[at] : std::string_view{};
    const auto shown = draws ? draw_map(whose) : print_map(whose);
    if (shown) return status_success;
    const bool unknown = shown.error() == Error::not_found;
    print("maps: {}: {}\n", whose, unknown ? "no such process" : describe(shown.error()));
    return status_failure;
}
