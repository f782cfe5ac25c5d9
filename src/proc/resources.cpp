// SPDX-License-Identifier: MIT
// The console's readers; the two objects that exist once.
#include "proc/resources.hpp"

#include "proc/scheduler.hpp"
#include "vm/heap.hpp"

namespace proc {

namespace {

constinit Console the_console;
constinit PowerSwitch the_power_switch;

} // namespace

Console& console() { return the_console; }
PowerSwitch& power_switch() { return the_power_switch; }

Result<Ref<MemoryObject>> MemoryObject::create(std::uint64_t bytes, const vm::QuotaRef& quota) {
    if (bytes == 0 || bytes > vm::MemoryObject::limit.bytes()) return Error::invalid_argument;
    const PageCount pages{align_up(bytes, page_size) >> page_bits};
    vm::ObjectRef memory = TRY(vm::MemoryObject::make_zeros(pages, quota));
    return Ref<MemoryObject>::adopt(*TRY(vm::heap_new<MemoryObject>(std::move(memory), bytes)));
}

Result<Ref<MemoryObject>> MemoryObject::of_boot(PhysAddr start, std::uint64_t bytes) {
    const PageCount pages{align_up(bytes, page_size) >> page_bits};
    vm::ObjectRef memory =
        TRY(vm::MemoryObject::make_boot(start, pages, vm::Ceiling::of(vm::Access::read_execute())));
    return Ref<MemoryObject>::adopt(*TRY(vm::heap_new<MemoryObject>(std::move(memory), bytes)));
}

Result<void> MemoryObject::resize(PageCount pages) {
    TRY(memory_->resize(pages));
    bytes_.store(pages.bytes(), std::memory_order_relaxed);
    return {};
}

vm::Ceiling MemoryObject::most(std::uint32_t rights) const {
    const unsigned allowed = (rights & abi::right_control) != 0 ? vm::Ceiling::all().bits()
                                                                : vm::Access::read_execute().bits();
    return vm::Ceiling::from_bits(allowed & memory_->most().bits());
}

Result<std::size_t> Console::read(std::span<char> buffer) {
    Thread& self = port::current_thread();
    for (;;) {
        {
            auto readers = readers_.lock();
            const std::size_t taken = port::console_read(buffer);
            if (taken != 0) return taken;
            readers->push_back(self);
            prepare_to_block(self);
        }
        Result<void> woken = block(self);
        if (woken) continue;
        auto readers = readers_.lock();
        if (Readers::contains(self)) readers->remove(self);
        return woken.error();
    }
}

void Console::input_arrived() {
    auto readers = readers_.lock();
    while (Thread* reader = readers->pop_front())
        if (wake(*reader)) return;
}

void handle_console_input() { the_console.input_arrived(); }

} // namespace proc
