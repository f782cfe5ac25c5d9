// SPDX-License-Identifier: MIT
// Rules that are left out: a write that is taken back, a look that sees what was seen before, a
// lock that is no lock.
#include "explorer/places.hpp"
#include "explorer/sabotage.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace explorer {

namespace {

/// Changes that last for one step of one CPU.
class OneStep : public Saboteur {
public:
    void begin() override { put_back_ = false; }
    void after(unsigned cpu) override {
        if (std::exchange(put_back_, false)) store(access_, value_);
        taken(cpu);
    }

protected:
    /// Memory holds `value` for the step that comes, and afterwards what it held before.
    void show(const MemoryAccess& access, std::uint64_t value) {
        leave_out(access);
        store(access, value);
    }
    /// What the step that comes writes is taken back.
    void leave_out(const MemoryAccess& access) {
        access_ = access;
        value_ = load(access);
        put_back_ = true;
    }
    virtual void taken(unsigned) {}

private:
    MemoryAccess access_{};
    std::uint64_t value_ = 0;
    bool put_back_ = false;
};

/// An unlinked table is not marked.
class NoStaleMark final : public OneStep {
    void before(unsigned, const MemoryAccess& access, vm::Step) override {
        const vm::TableDescriptor* const table = descriptor_at(access.address);
        if (access.writes && table != nullptr && access.address == number(&table->stale))
            leave_out(access);
    }
};

/// After a table was locked: what was seen on the way down still counts.
class NoSecondLook final : public OneStep {
public:
    void begin() override {
        OneStep::begin();
        looks_ = {};
    }

private:
    struct Looks {
        bool locking = false; ///< the step that was taken last may have locked the first table
        bool again = false;   ///< it did: these are the second looks
        std::map<std::uintptr_t, std::uint64_t> seen;
    };

    void before(unsigned cpu, const MemoryAccess& access, vm::Step step) override {
        Looks& looks = looks_[cpu];
        const vm::TableDescriptor* const table = descriptor_at(access.address);
        const bool mark = table != nullptr && access.address == number(&table->stale);
        const bool slot = access.bytes == 8 && is_slot(access.address);
        looks.locking =
            step == vm::Step::update && table != nullptr && access.address == number(&table->lock);
        if (access.writes || (!mark && !slot)) {
            looks.again = false;
        } else if (looks.again) {
            const auto found = looks.seen.find(access.address);
            if (mark) show(access, 0);
            if (slot && found != looks.seen.end()) show(access, found->second);
        } else if (locks_held() == 0) {
            looks.seen[access.address] = load(access);
        }
    }
    void taken(unsigned cpu) override {
        Looks& looks = looks_[cpu];
        if (looks.locking && locks_held() == 1) looks.again = true;
        looks.locking = false;
    }
    std::array<Looks, cpu_most> looks_;
};

/// Who folds a table takes what it saw before it had the locks for what is there.
class NoLookAtIdle final : public OneStep {
public:
    void begin() override {
        OneStep::begin();
        for (auto& seen : seen_) seen.clear();
    }

private:
    void before(unsigned cpu, const MemoryAccess& access, vm::Step) override {
        const vm::TableDescriptor* const table = descriptor_at(access.address);
        if (access.writes || table == nullptr || access.address != number(&table->idle)) return;
        const auto found = seen_[cpu].find(access.address);
        if (locks_held() == 0)
            seen_[cpu][access.address] = load(access);
        else if (found != seen_[cpu].end())
            show(access, found->second);
    }
    std::array<std::map<std::uintptr_t, std::uint64_t>, cpu_most> seen_;
};

/// Table locks that exclude nobody: whoever takes one of them does not change it.
class NoLock final : public OneStep {
public:
    explicit NoLock(Locks which) : which_(which) {}
    void begin() override {
        OneStep::begin();
        for (auto& believed : believed_) believed.clear();
        made_.clear();
    }

private:
    void before(unsigned cpu, const MemoryAccess& access, vm::Step step) override {
        if (const PhysAddr frame = becomes_table(access); frame.value != 0) made_[frame] = cpu;
        const vm::TableDescriptor* const table = descriptor_at(access.address);
        if (table == nullptr || access.address != number(&table->lock)) return;
        auto& believed = believed_[cpu];
        const auto held = std::ranges::find(believed, access.address);
        if (step == vm::Step::write && held != believed.end()) {
            believed.erase(held);
            leave_out(access);
        } else if (step == vm::Step::update && applies(cpu, table)) {
            believed.push_back(access.address);
            show(access, 0);
        }
    }
    /// `lock` notes its rank first, `try_lock` afterwards.
    bool applies(unsigned cpu, const vm::TableDescriptor* table) const {
        const auto made = made_.find(table->frame);
        const bool own = made != made_.end() && made->second == cpu;
        if (which_ == Locks::top) return locks_held() == 0;
        return locks_held() > 1 && own == (which_ == Locks::made);
    }
    const Locks which_;
    std::array<std::vector<std::uintptr_t>, cpu_most> believed_;
    std::map<PhysAddr, unsigned> made_; ///< tables that a CPU made, in this run
};

/// A CPU does not tell that it reads the tables.
class NotRunning final : public OneStep {
    void meet(vm::AddressSpace& space) override {
        running_ = number(&space.translations().running);
    }
    void before(unsigned cpu, const MemoryAccess& access, vm::Step step) override {
        const bool adds = step == vm::Step::update && (load(access) >> cpu & 1) == 0;
        if (access.address == running_ && adds) leave_out(access);
    }
    std::uintptr_t running_ = 0;
};

} // namespace

std::unique_ptr<Saboteur> no_stale_mark() { return std::make_unique<NoStaleMark>(); }
std::unique_ptr<Saboteur> no_second_look() { return std::make_unique<NoSecondLook>(); }
std::unique_ptr<Saboteur> no_look_at_idle() { return std::make_unique<NoLookAtIdle>(); }
std::unique_ptr<Saboteur> no_lock(Locks which) { return std::make_unique<NoLock>(which); }
std::unique_ptr<Saboteur> not_running() { return std::make_unique<NotRunning>(); }

} // namespace explorer
