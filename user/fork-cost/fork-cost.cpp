// SPDX-License-Identifier: MIT
// fork-cost: touches memory, forks, and writes it again. Says what each step cost, in counts of the
// time-stamp counter; which tables and frames each of the two processes has then, those included
// that the other one has too; and how much memory is used for all of it since before the fork.
#include "user/lib/calls.hpp"
#include "user/lib/commands.hpp"
#include "user/lib/fork.hpp"
#include "user/lib/numbers.hpp"
#include "user/lib/print.hpp"
#include "user/lib/time_stamp.hpp"

#include <algorithm>

namespace {

constexpr std::uint64_t mebibyte = 1024 * 1024;

/// KiB that nobody uses.
Result<std::uint64_t> free_memory() { return TRY(user::memory_info()).free; }

/// What a process has at one point.
struct Holding {
    std::uint64_t tables = 0;
    std::uint64_t frames = 0;
};

Result<Holding> look(abi::Handle process) {
    const auto info = TRY(user::process_info(process));
    return Holding{info.tables, info.anonymous};
}

/// The counts of one step, and what there is after it.
struct Step {
    std::uint64_t cost = 0;
    Holding parent;
    Holding child;
    std::uint64_t free = 0;
};

struct Costs {
    Holding before;
    std::uint64_t free = 0;
    Step fork;
    Step first;  ///< the first write
    Step second; ///< the next one to the same table
    Step rest;   ///< to all other pages
};

void write(std::uint64_t address, std::uint64_t bytes) {
    for (std::uint64_t at = address; at < address + bytes; at += page_size)
        *reinterpret_cast<volatile char*>(at) = 1;
}

Result<void> look_at_both(abi::Handle child, Step& step) {
    step.parent = TRY(look(abi::no_handle));
    step.child = TRY(look(child));
    step.free = TRY(free_memory());
    return {};
}

Result<Step> write_step(abi::Handle child, std::uint64_t address, std::uint64_t bytes) {
    Step step;
    const std::uint64_t begun = user::time_stamp();
    write(address, bytes);
    step.cost = user::time_stamp() - begun;
    TRY(look_at_both(child, step));
    return step;
}

Result<Costs> measure(std::uint64_t bytes) {
    const std::uint64_t address = TRY(user::map(bytes));
    write(address, bytes);
    const user::OwnedHandle end(TRY(user::notification_create()));
    Costs costs{};
    costs.before = TRY(look(abi::no_handle));
    costs.free = TRY(free_memory());
    // The call alone: this is the only thread, and it has printed nothing.
    const std::uint64_t begun = user::time_stamp();
    auto forked = user::fork_process();
    costs.fork.cost = user::time_stamp() - begun;
    const user::OwnedHandle child(TRY(std::move(forked)));
    if (!child) {
        (void)user::wait(end.get());
        user::process_exit(user::status_success);
    }
    TRY(look_at_both(child.get(), costs.fork));
    costs.first = TRY(write_step(child.get(), address, page_size));
    costs.second = TRY(write_step(child.get(), address + page_size, page_size));
    costs.rest = TRY(write_step(child.get(), address + 2 * page_size, bytes - 2 * page_size));
    TRY(user::signal(end.get(), 1));
    TRY(user::process_wait(child.get()));
    return costs;
}

void print_step(std::string_view what, const Costs& costs, const Step& step) {
    user::print("{}: {} counts; parent {} tables, {} frames; child {} tables, {} frames; "
                "{} KiB more in use\n",
                what, step.cost, step.parent.tables, step.parent.frames, step.child.tables,
                step.child.frames, costs.free - std::min(step.free, costs.free));
}

} // namespace

int user::main(Arguments arguments) {
    if (const auto status = check_usage(arguments, 1, 1)) return *status;
    const auto mebibytes = parse_number(arguments[1]);
    std::uint64_t bytes = 0;
    if (!mebibytes || *mebibytes == 0 || __builtin_mul_overflow(*mebibytes, mebibyte, &bytes)) {
        print("fork-cost: {}: not a number of MiB above 0\n", arguments[1]);
        return status_usage;
    }
    const auto costs = measure(bytes);
    if (!costs) {
        print("fork-cost: {} MiB: {}\n", *mebibytes, costs.error());
        return status_failure;
    }
    print("touched: {} pages; {} tables, {} frames\n", bytes / page_size, costs->before.tables,
          costs->before.frames);
    print_step("fork", *costs, costs->fork);
    print_step("first write", *costs, costs->first);
    print_step("second write", *costs, costs->second);
    print_step("all written", *costs, costs->rest);
    return status_success;
}
