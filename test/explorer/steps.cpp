// SPDX-License-Identifier: MIT
// Steps: what a CPU does to memory, to others' caches, and by its user instructions.
#include "explorer/explorer.hpp"
#include "vm/table.hpp"

#include <cstring>

namespace explorer {

void Explorer::end(const std::string& what) {
    fail(what);
    abandon();
}

void Explorer::panic(const std::string& what) {
    if (shim::Fiber::running() != scheduler_ && shim::Fiber::running() != nullptr)
        end("panic: " + what);
    throw shim::Panic(what);
}

void Explorer::step(const MemoryAccess& access, vm::Step kind) {
    const unsigned self = running_;
    Cpu& cpu = cpus_[self];
    if (saboteur != nullptr) {
        const Quiet quiet(*this);
        saboteur->after(self);
    }
    if (!late_[self].empty() && saboteur->flush_when == Saboteur::When::unlocked) {
        // The step that gives the last lock up is the first that is taken without.
        const bool unlocked = vm::held_ranks().tables == 0;
        if (unlocked && cpu.unlocked) flush_late();
        cpu.unlocked = unlocked;
    }
    if (++cpu.steps > step_limit) end("an operation does not end");
    const bool common = words_.note(self, access) || !reduces || given_ != nullptr;
    if (common && switching_ == Switching::preemptive) point(access);
    check(access);
    if (trace_) {
        const Quiet quiet(*this);
        trace_(self, cpu.steps, access);
    }
    for (Cpu& other : cpus_)
        if (other.asleep && other.next.conflicts_with(access)) other.asleep = false;
    if (access.writes) {
        save(access);
        ++cpu.writes;
    }
    cpu.last = access;
    cpu.last_writes = kind == vm::Step::write;
    if (saboteur != nullptr) {
        const Quiet quiet(*this);
        saboteur->before(self, access, kind);
    }
}

void Explorer::step_mailbox(unsigned cpu) {
    step({reinterpret_cast<std::uintptr_t>(&mailboxes_[cpu]), 8, true}, vm::Step::update);
    --cpus_[running_].writes; // it tells nothing of memory
}

// ---- interrupts and flushes
// ----------------------------------------------------------------------

void Explorer::open_interrupts() {
    if (!late_[running_].empty() && vm::held_ranks().tables == 0) flush_late();
    step_mailbox(running_);
    cpus_[running_].answers = true;
    answer(running_);
}

/// The step before which others find that it answers.
void Explorer::close_interrupts() {
    const unsigned self = running_;
    step_mailbox(self);
    if (switching_ == Switching::at_boundaries && cpus_[self].steps != 1) point({});
    cpus_[self].answers = false;
}

void Explorer::boundary() {
    open_interrupts();
    close_interrupts();
}

void Explorer::wait() {
    Cpu& cpu = cpus_[running_];
    const MemoryAccess last = cpu.last;
    const bool word = !cpu.last_writes;
    std::uint64_t seen = writes_of_others(cpu);
    if (word) {
        seen = 0;
        std::memcpy(&seen, reinterpret_cast<const void*>(last.address), last.bytes);
    }
    open_interrupts();
    cpu.last = last;
    cpu.seen = seen;
    cpu.waiting = word ? Waiting::word : Waiting::others;
    if (!enabled(cpu)) leave();
    cpu.waiting = Waiting::nothing;
    close_interrupts();
}

void Explorer::ask(unsigned cpu, const shim::Mmu::Flush& flush) {
    step_mailbox(cpu);
    const Quiet quiet(*this);
    if (cpus_[cpu].answers || (saboteur != nullptr && !saboteur->lets_go_first)) {
        machine_.mmu().flush(cpu, flush);
    } else {
        cpus_[cpu].asked.emplace_back(running_, flush);
        ++cpus_[running_].unanswered;
    }
}

void Explorer::answer(unsigned cpu) {
    const Quiet quiet(*this);
    for (const auto& [asker, flush] : cpus_[cpu].asked) {
        machine_.mmu().flush(cpu, flush);
        --cpus_[asker].unanswered;
    }
    cpus_[cpu].asked.clear();
}

void Explorer::wait_for_answers() {
    Cpu& cpu = cpus_[running_];
    if (cpu.unanswered == 0) return;
    open_interrupts();
    cpu.waiting = Waiting::answers;
    if (!enabled(cpu)) leave();
    cpu.waiting = Waiting::nothing;
    close_interrupts();
}

void Explorer::flush_now(const vm::port::FlushRequest& request, bool locked) {
    const unsigned self = running_;
    vm::Translations& translations = request.space->translations();
    static_cast<void>(translations.count_change());
    const shim::AddressRange range{request.range.start.value, request.range.end.value};
    const std::uint64_t root = request.space->user_root().value;
    const shim::Mmu::Flush flush{.root = root,
                                 .ranges = {range},
                                 .everything = false,
                                 .tables = request.tables &&
                                           (saboteur == nullptr || saboteur->flushes_tables)};
    {
        const Quiet quiet(*this);
        machine_.mmu().flush(self, flush);
    }
    translations.running.for_each([&](unsigned cpu) {
        if (cpu != self) ask(cpu, flush);
    });
    if (saboteur != nullptr && !saboteur->flush_waits) return;
    wait_for_answers();
    if (!locked) return;
    // Nobody else may have changed anything there: its tables are locked.
    std::vector<std::string> stale;
    {
        const Quiet quiet(*this);
        stale = machine_.mmu().stale(root, range);
    }
    if (!stale.empty()) end("after its flush: " + stale.front());
}

void Explorer::flush(const vm::port::FlushRequest& request) {
    if (shim::Fiber::running() == scheduler_ || shim::Fiber::running() == nullptr) {
        // The judge takes the space apart.
        const Quiet quiet(*this);
        return machine_.mmu().flush({.root = request.space->user_root().value,
                                     .ranges = {},
                                     .everything = true,
                                     .tables = true});
    }
    if (saboteur == nullptr) return flush_now(request, true);
    if (!saboteur->flushes) return;
    if (saboteur->flush_when == Saboteur::When::asked) return flush_now(request, true);
    late_[running_].push_back(request);
}

void Explorer::flush_late() {
    std::vector<vm::port::FlushRequest> requests;
    requests.swap(late_[running_]);
    for (const vm::port::FlushRequest& request : requests) flush_now(request, false);
}

// ---- user instructions
// ---------------------------------------------------------------------------

void Explorer::walks(const std::uint64_t* entry) {
    if (mode_ != Mode::stepping || walking_ == nullptr) return;
    namespace bits = shim::bits;
    const auto address = reinterpret_cast<std::uintptr_t>(entry);
    bool leaf = (*entry & bits::page_size) != 0;
    {
        const Quiet quiet(*this);
        const PhysAddr frame{align_down(address - shim::direct_map_base, page_size)};
        if (vm::is_managed(frame)) {
            const vm::Frame& record = vm::frame_record(frame);
            // Of an object's tables processors walk none but those with pages.
            leaf = leaf || record.kind == vm::FrameKind::cache_table ||
                   (record.kind == vm::FrameKind::table && record.table->level == 1);
        }
    }
    const bool write = walking_->operation == shim::Operation::write;
    const bool sets =
        (*entry & bits::present) != 0 &&
        ((*entry & bits::accessed) == 0 || (leaf && write && (*entry & bits::dirty) == 0));
    step({address, 8, sets}, sets ? vm::Step::update : vm::Step::read);
}

Explorer::Done Explorer::user(const Instruction& instruction) {
    constexpr unsigned fault_limit = 8;
    for (unsigned faults = 0; faults < fault_limit; ++faults) {
        if (faults != 0) boundary();
        walking_ = &instruction;
        const shim::Outcome outcome = machine_.mmu().access(
            running_, {instruction.address.value, instruction.operation, true});
        walking_ = nullptr;
        if (const auto* physical = std::get_if<std::uint64_t>(&outcome)) {
            if (!shim::Arena::the().contains(*physical, 8)) end("a translation to no memory");
            auto* const word =
                static_cast<std::uint64_t*>(shim::Arena::the().host(PhysAddr{*physical}));
            const bool writes = instruction.operation == shim::Operation::write;
            user_ = true;
            step({reinterpret_cast<std::uintptr_t>(word), 8, writes},
                 writes ? vm::Step::write : vm::Step::read);
            user_ = false;
            if (writes) *word = instruction.value;
            return {vm::Resolution::resolved, *word};
        }
        if (!std::holds_alternative<shim::PageFault>(outcome)) return {vm::Resolution::hole, 0};
        const std::uint32_t code = std::get<shim::PageFault>(outcome).code;
        const vm::Resolution resolution = runs[running_]->resolve(
            instruction.address, {.write = (code & shim::fault_code::write) != 0,
                                  .execute = (code & shim::fault_code::fetch) != 0});
        if (resolution != vm::Resolution::resolved) return {resolution, 0};
    }
    end("an instruction faults for ever");
}

} // namespace explorer
