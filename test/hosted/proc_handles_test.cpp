// SPDX-License-Identifier: MIT
// Handles: values, generations, rights, limits; objects that end with their last handle.
#include "proc/handles.hpp"
#include "shim/booted.hpp"

#include <doctest/doctest.h>

using namespace shim;

namespace {

constexpr abi::Handle console_handle = abi::initial_handle(abi::init_console);

Answer duplicate(abi::Handle handle, std::uint64_t rights) {
    return ask(SystemCall::handle_duplicate, handle, rights);
}
Answer close(abi::Handle handle) { return ask(SystemCall::handle_close, handle); }

} // namespace

TEST_CASE("proc: a closed handle's value stays refused when its slot is used again") {
    Booted booted;
    booted.run([] {
        const Answer first = ask(SystemCall::object_create, abi::ObjectKind::notification);
        REQUIRE(first.ok());
        CHECK(first.value == abi::initial_handle(abi::init_handle_count));
        CHECK(close(first.value).ok());
        CHECK(close(first.value).error == Error::bad_handle);
        const Answer second = ask(SystemCall::object_create, abi::ObjectKind::notification);
        REQUIRE(second.ok());
        CHECK(second.value != first.value);
        CHECK((second.value & 0xffff) == (first.value & 0xffff));
        CHECK(ask(SystemCall::signal, first.value, 1).error == Error::bad_handle);
        CHECK(ask(SystemCall::signal, second.value, 1).ok());
        for (const std::uint64_t bad :
             {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1024}, std::uint64_t{0xffff},
              ~std::uint64_t{0}, second.value + (1 << 16)})
            CHECK(close(bad).error == Error::bad_handle);
    });
}

TEST_CASE("proc: duplicates have no more rights than their origin") {
    Booted booted;
    booted.run([] {
        const Answer all = ask(SystemCall::object_create, abi::ObjectKind::notification);
        const Answer sender = duplicate(all.value, abi::right_send);
        REQUIRE(sender.ok());
        CHECK(ask(SystemCall::signal, sender.value, 4).ok());
        CHECK(ask(SystemCall::wait, sender.value).error == Error::not_permitted);
        CHECK(duplicate(sender.value, abi::right_send).error == Error::not_permitted);
        CHECK(ask(SystemCall::wait, all.value).value == 4);

        const Answer receiver = duplicate(all.value, abi::right_receive | abi::right_duplicate);
        REQUIRE(receiver.ok());
        CHECK(ask(SystemCall::signal, receiver.value, 4).error == Error::not_permitted);
        CHECK(duplicate(receiver.value, abi::right_send).error == Error::not_permitted);
        CHECK(duplicate(all.value, abi::right_all + 1).error == Error::invalid_argument);
        CHECK(duplicate(9999, 1).error == Error::bad_handle);
    });
}

TEST_CASE("proc: a handle of another kind is no handle") {
    Booted booted;
    booted.run([] {
        CHECK(ask(SystemCall::signal, console_handle, 1).error == Error::bad_handle);
        CHECK(ask(SystemCall::wait, console_handle).error == Error::bad_handle);
        put(init_data, abi::Message{.words = {},
                                    .handles = {},
                                    .handle_count = 0,
                                    .sender = 0,
                                    .call = console_handle});
        CHECK(ask(SystemCall::reply_receive, 0, init_data.value + abi::message_whole).error ==
              Error::bad_handle);
        CHECK(ask(SystemCall::power, console_handle, 0).error == Error::bad_handle);
        CHECK(ask(SystemCall::map_object, console_handle, 0, 0, 1).error == Error::bad_handle);
        // It looked for a call, and left the console's handle alone.
        CHECK(ask(SystemCall::console_write, console_handle, init_data.value, 1).ok());
    });
}

TEST_CASE("proc: a process has so many handles and no more, and pays for their pages") {
    Booted booted;
    booted.run([] {
        const auto committed = [] {
            ask(SystemCall::process_info, 0, init_data.value, sizeof(abi::ProcessInfo));
            return get<abi::ProcessInfo>(init_data).committed;
        };
        const std::uint64_t before = committed();
        std::vector<abi::Handle> handles;
        for (;;) {
            const Answer made = duplicate(console_handle, abi::right_send);
            if (!made.ok()) {
                CHECK(made.error == Error::limit_reached);
                break;
            }
            handles.push_back(made.value);
        }
        CHECK(handles.size() == proc::HandleTable::limit - abi::init_handle_count);
        CHECK(committed() == before + 3);
        CHECK(ask(SystemCall::object_create, abi::ObjectKind::endpoint).error ==
              Error::limit_reached);
        CHECK(committed() == before + 3);
        for (const abi::Handle handle : handles) CHECK(close(handle).ok());
        CHECK(duplicate(console_handle, 0).ok());
    });
}

TEST_CASE("proc: a table grows only when there is memory for it") {
    Booted booted;
    booted.run([] {
        for (unsigned i = abi::init_handle_count; i < 256; ++i)
            REQUIRE(duplicate(console_handle, 0).ok());
        fail_allocation_after(0);
        CHECK(duplicate(console_handle, 0).error == Error::no_memory);
        CHECK(allow_allocations());
        CHECK(duplicate(console_handle, 0).value == 257);
    });
}
