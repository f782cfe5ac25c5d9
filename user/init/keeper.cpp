// SPDX-License-Identifier: MIT
// What init keeps running.
#include "user/init/keeper.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/limits.hpp"
#include "user/lib/print.hpp"
#include "user/lib/spawn.hpp"

namespace init {

namespace {

/// A shell that ends sooner than this is not started again at once.
constexpr std::uint64_t shortest_life = 1'000'000'000;

/// Runs a shell to its end; gives its status.
Result<std::int32_t> run_shell(ProcessTable& processes, user::Arguments arguments) {
    const std::uint64_t limit = user::memory_limit_within(user::init_reserve);
    auto shell = TRY(user::spawn(arguments, {.memory_limit = limit}));
    const abi::Handle copy = TRY(user::handle_duplicate(
        shell.get(), abi::right_inspect | abi::right_control | abi::right_duplicate));
    (void)processes.enroll(user::OwnedHandle(copy), user::process_id());
    return user::process_wait(shell.get());
}

} // namespace

void keep_shell(ProcessTable& processes) {
    for (;;) {
        const std::uint64_t begun = user::clock();
        const std::string_view words[] = {"sh"};
        const auto status = run_shell(processes, words);
        if (status) {
            user::print("\ninit: the shell ended with status {}; starting another\n", *status);
        } else {
            user::print("init: no shell: {}\n", status.error());
        }
        if (user::clock() - begun < shortest_life) (void)user::sleep(shortest_life);
    }
}

void run_line(ProcessTable& processes, std::string_view line, abi::Handle power) {
    const std::string_view words[] = {"sh", "--run", line};
    auto status = run_shell(processes, words);
    if (!status) user::print("init: no shell: {}\n", status.error());
    const int number = status ? *status : user::status_not_found;
    user::print("run: exit {}\n", number);
    const auto action = number == 0 ? abi::Power::exit_success : abi::Power::exit_failure;
    if (const auto done = user::power(power, action); !done) {
        user::print("init: cannot power off: {}\n", done.error());
    }
    for (;;) (void)user::sleep(1'000'000'000);
}

} // namespace init
