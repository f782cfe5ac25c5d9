// SPDX-License-Identifier: MIT
// ps: lists the processes that the directory knows.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/print.hpp"

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 0, 0)) return *status;
    print("  PID PARENT THREADS CHARGED-KiB ANON-KiB TABLE-KiB   FAULTS    TIME-ms STATE   NAME\n");
    std::uint64_t id = 0;
    for (;;) {
        const auto entry = directory::next(id);
        if (!entry) {
            if (entry.error() == Error::not_found) return status_success;
            print("ps: {}\n", entry.error());
            return status_failure;
        }
        id = entry->id;
        const auto state = directory::state(id);
        if (!state) continue; // it went in between
        constexpr std::uint64_t page_kib = page_size / 1024;
        print("{:5} {:6} {:7} {:11} {:8} {:9} {:8} {:6}.{:03} {:<7} {}\n", id, entry->parent,
              state->threads, state->committed * page_kib, state->anonymous * page_kib,
              state->tables * page_kib, state->faults, state->time / 1'000'000,
              state->time / 1'000 % 1'000, state->exited != 0 ? "ended" : "running",
              entry->name_view());
    }
}
