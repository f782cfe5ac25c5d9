// SPDX-License-Identifier: MIT
// Threads and the scheduler: order, priorities, turns, sleep, join, exit.
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

TEST_CASE("proc: the first process runs, with its arguments and handles") {
    Booted booted;
    proc_machine().run_line = "echo hello";
    bool ran = false;
    set_user_code(init_text, [&](const proc::port::UserStart& start) {
        ran = true;
        CHECK(ask(SystemCall::process_id).value == 1);
        const VirtAddr block{start.arguments[0]};
        CHECK(start.stack == block);
        REQUIRE(get<std::uint64_t>(block) == 2);
        CHECK(get<std::array<char, 5>>(VirtAddr{get<std::uint64_t>(block + 8)}) ==
              std::array<char, 5>{"init"});
        CHECK(get<std::array<char, 11>>(VirtAddr{get<std::uint64_t>(block + 16)}) ==
              std::array<char, 11>{"echo hello"});
        CHECK(get<std::array<char, 13>>(init_data) == std::array<char, 13>{"data of init"});
        put(init_data, std::array<char, 3>{'h', 'i', '\n'});
        CHECK(ask(SystemCall::console_write, abi::initial_handle(abi::init_console),
                  init_data.value, 3)
                  .value == 3);
        ask(SystemCall::power, abi::initial_handle(abi::init_power), abi::Power::exit_success);
    });
    CHECK(run_machine(proc::run) == abi::Power::exit_success);
    CHECK(ran);
    CHECK(proc_machine().console == "hi\n");
}

TEST_CASE("proc: without an archive, or init in it, the kernel panics clearly") {
    {
        Machine machine;
        reset_proc_machine();
        CHECK_THROWS_WITH_AS(run_machine(proc::run), doctest::Contains("no boot archive"), Panic);
    }
    {
        Machine machine;
        reset_proc_machine();
        load_archive(archive_of("bin/other", elf_program()));
        CHECK_THROWS_WITH_AS(run_machine(proc::run), doctest::Contains("no bin/init"), Panic);
    }
    {
        Machine machine;
        reset_proc_machine();
        load_archive(std::vector<std::byte>(3000, std::byte{'x'}));
        CHECK_THROWS_WITH_AS(run_machine(proc::run), doctest::Contains("damaged"), Panic);
    }
    {
        Machine machine;
        reset_proc_machine();
        load_archive(archive_of("bin/init", std::vector<std::byte>(100)));
        CHECK_THROWS_WITH_AS(run_machine(proc::run), doctest::Contains("not an ELF file"), Panic);
    }
}

TEST_CASE("proc: threads run, are joined, and give their codes") {
    Booted booted;
    booted.run([] {
        std::string order;
        const Answer thread = start_thread([&] {
            order += "t";
            ask(SystemCall::thread_exit, 77);
        });
        REQUIRE(thread.ok());
        CHECK(order.empty()); // of the priority 16, below init's
        CHECK(ask(SystemCall::wait, thread.value).value == 77);
        CHECK(order == "t");
        CHECK(ask(SystemCall::wait, thread.value).value == 77);
        CHECK(ask(SystemCall::handle_close, thread.value).ok());
        CHECK(ask(SystemCall::wait, thread.value).error == Error::bad_handle);
    });
}

TEST_CASE("proc: higher priorities run first, equal ones in turns") {
    Booted booted;
    booted.run([] {
        std::string order;
        const auto body = [&](char name) {
            return [&order, name] {
                for (int i = 0; i < 3; ++i) {
                    order += name;
                    ask(SystemCall::thread_sleep, 0);
                }
            };
        };
        std::vector<Answer> threads;
        threads.push_back(start_thread(body('a'), 10));
        threads.push_back(start_thread(body('b'), 10));
        threads.push_back(start_thread(body('x'), 12));
        threads.push_back(start_thread(body('c'), 10));
        for (const Answer& thread : threads) ask(SystemCall::wait, thread.value);
        CHECK(order == "xxxabcabcabc");
    });
}

TEST_CASE("proc: a more urgent thread runs at once when it is created or wakes") {
    Booted booted;
    booted.run([] {
        std::string order;
        ask(SystemCall::thread_priority, 0, 8);
        const Answer urgent = start_thread(
            [&] {
                order += "u";
                ask(SystemCall::thread_sleep, 1'000'000);
                order += "U";
            },
            20);
        order += "i";
        user_compute(3'000'000);
        order += "I";
        ask(SystemCall::wait, urgent.value);
        CHECK(order == "uiUI");
    });
}

TEST_CASE("proc: time slices make equal threads take turns; a lone thread is not interrupted") {
    Booted booted;
    booted.run([] {
        std::string order;
        const auto body = [&](char name) {
            return [&order, name] {
                for (int i = 0; i < 4; ++i) {
                    user_compute(2'500'000);
                    order += name;
                }
            };
        };
        const Answer a = start_thread(body('a'), 10);
        const Answer b = start_thread(body('b'), 10);
        ask(SystemCall::wait, a.value);
        ask(SystemCall::wait, b.value);
        CHECK(order.size() == 8);
        CHECK(order.find("abb") != std::string::npos);
        CHECK(order.find("baa") != std::string::npos);

        const std::uint64_t switches = proc_machine().switches;
        user_compute(100'000'000);
        CHECK(proc_machine().switches == switches);
        CHECK(proc_machine().alarm == ~0ULL);
    });
}

TEST_CASE("proc: sleepers wake in the order of their times") {
    Booted booted;
    booted.run([] {
        std::string order;
        std::vector<Answer> threads;
        const std::uint64_t times[] = {30, 10, 20, 10};
        for (unsigned i = 0; i < 4; ++i) {
            threads.push_back(start_thread([&, i] {
                const std::uint64_t from = ask(SystemCall::clock).value;
                ask(SystemCall::thread_sleep, times[i] * 1'000'000);
                CHECK(ask(SystemCall::clock).value >= from + times[i] * 1'000'000);
                order += static_cast<char>('0' + i);
            }));
        }
        for (const Answer& thread : threads) ask(SystemCall::wait, thread.value);
        CHECK(order == "1320");
        CHECK(ask(SystemCall::thread_sleep, 0).ok());
    });
}

TEST_CASE("proc: thread calls refuse what is wrong") {
    Booted booted;
    booted.run([] {
        const auto create = [](std::uint64_t entry, std::uint64_t stack, std::uint64_t priority) {
            return ask(SystemCall::thread_create, entry, stack, 0, priority).error;
        };
        CHECK(create(0x0000'8000'0000'0000, 0x1000, 1) == Error::bad_address);
        CHECK(create(0x7fff'ffff'f000, 0x1000, 1) == Error::bad_address);
        CHECK(create(~0ULL, 0x1000, 1) == Error::bad_address);
        CHECK(create(0x401000, 0xffff'8000'0000'0000, 1) == Error::bad_address);
        CHECK(create(0x401000, 0x1000, 32) == Error::invalid_argument);
        CHECK(create(0x401000, 0x1000, 25) == Error::not_permitted);
        CHECK(ask(SystemCall::wait, 0).error == Error::bad_handle);
        CHECK(ask(SystemCall::wait, abi::initial_handle(abi::init_console)).error ==
              Error::bad_handle);
        CHECK(ask(SystemCall::thread_priority, 0, 32).error == Error::invalid_argument);
        CHECK(ask(SystemCall::thread_priority, 0, 30).error == Error::not_permitted);
        CHECK(ask(SystemCall::thread_priority, 12345, 3).error == Error::bad_handle);
        CHECK(ask(SystemCall::thread_priority, 0, 20).value == 24);
        CHECK(ask(SystemCall::thread_priority, 0, 24).value == 20);
        CHECK(static_cast<int>(ask(static_cast<SystemCall>(abi::system_call_count)).error) ==
              static_cast<int>(Error::bad_system_call));
    });
}

TEST_CASE("proc: a queued thread's priority can be changed") {
    Booted booted;
    booted.run([] {
        std::string order;
        const Answer a = start_thread([&] { order += "a"; }, 10);
        const Answer b = start_thread([&] { order += "b"; }, 9);
        CHECK(ask(SystemCall::thread_priority, b.value, 11).value == 9);
        // Above the caller's own: it runs at once.
        const Answer c = start_thread([&] { order += "c"; }, 5);
        ask(SystemCall::thread_priority, 0, 15);
        CHECK(order.empty());
        ask(SystemCall::thread_priority, c.value, 20);
        CHECK(order == "c");
        ask(SystemCall::wait, a.value);
        CHECK(order == "cba");
    });
}

TEST_CASE("proc: the last thread's exit ends the process with its code") {
    Booted booted;
    booted.run([] {
        const Answer child = Plan([] {
                                 start_thread([] { ask(SystemCall::thread_exit, 9); });
                                 ask(SystemCall::thread_exit, 5);
                             }).spawn();
        REQUIRE(child.ok());
        CHECK(ask(SystemCall::wait, child.value).value == 9);
    });
}
