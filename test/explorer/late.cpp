// SPDX-License-Identifier: MIT
// Rules of order: writes that others see too late.
#include "explorer/places.hpp"
#include "explorer/sabotage.hpp"

#include <array>

namespace explorer {

namespace {

/// Writes that others see late.
class Late : public Saboteur {
public:
    void begin() override {
        for (auto& hidden : hidden_) hidden.clear();
    }
    void before(unsigned cpu, const MemoryAccess& access, vm::Step step) override {
        auto& hidden = hidden_[cpu];
        std::erase_if(hidden, [&](const Hidden& one) { return shows(one.access, access); });
        if (!access.writes || access.bytes > 8 || !hides(cpu, access, step)) return;
        for (const Hidden& one : hidden)
            if (one.access == access) return;
        hidden.push_back({access, load(access), 0});
    }
    void leaves(unsigned cpu) override {
        for (Hidden& one : hidden_[cpu]) {
            one.own = load(one.access);
            store(one.access, one.others);
        }
    }
    void comes(unsigned cpu) override {
        for (Hidden& one : hidden_[cpu]) {
            one.others = load(one.access);
            store(one.access, one.own);
        }
    }

protected:
    /// Whether a write of the CPU is hidden.
    virtual bool hides(unsigned cpu, const MemoryAccess& access, vm::Step step) = 0;
    /// Whether a hidden one is shown, before the step that comes.
    virtual bool shows(const MemoryAccess& hidden, const MemoryAccess& next) = 0;

private:
    struct Hidden {
        MemoryAccess access;
        std::uint64_t others; ///< what others see
        std::uint64_t own;
    };
    std::array<std::vector<Hidden>, cpu_most> hidden_;
};

/// Writes that others see when the CPU has given its locks up.
class LateUntilUnlocked : public Late {
    bool shows(const MemoryAccess&, const MemoryAccess&) override { return locks_held() == 0; }
};

/// Promises are raised before the bitmap tells what is free.
class PromiseFirst final : public LateUntilUnlocked {
    bool hides(unsigned, const MemoryAccess& access, vm::Step) override {
        const vm::TableDescriptor* const table = descriptor_at(access.address);
        return table != nullptr && number(&table->free) <= access.address &&
               access.address < number(&table->free + 1);
    }
};

/// A table is linked before it is filled.
class FilledLate final : public LateUntilUnlocked {
    bool hides(unsigned, const MemoryAccess& access, vm::Step step) override {
        if (step != vm::Step::write || access.bytes != 8) return false;
        const PhysAddr frame = frame_at(access.address, vm::FrameKind::table);
        if (frame.value == 0) return false;
        const vm::TableDescriptor* const table = vm::frame_record(frame).table;
        // Until it is locked, it is being filled.
        return table != nullptr && table->level == 1 && !table->lock.locked();
    }
};

/// Others don't see the mark of who lowers a promise, so they do not take it away.
class NoMark final : public Late {
    void begin() override {
        Late::begin();
        marked_ = {};
    }
    bool hides(unsigned cpu, const MemoryAccess& access, vm::Step step) override {
        const bool marks = step == vm::Step::update && access.bytes == 8 && locks_held() == 0 &&
                           frame_at(access.address, vm::FrameKind::descriptor).value != 0;
        // The next update of the same word puts the lower promise in its place.
        if (marks) marked_[cpu] = marked_[cpu] == access.address ? 0 : access.address;
        return marks && marked_[cpu] != 0;
    }
    bool shows(const MemoryAccess& hidden, const MemoryAccess& next) override {
        return next.writes && hidden.address == next.address;
    }
    std::array<std::uintptr_t, cpu_most> marked_{};
};

} // namespace

std::unique_ptr<Saboteur> promise_first() { return std::make_unique<PromiseFirst>(); }
std::unique_ptr<Saboteur> filled_late() { return std::make_unique<FilledLate>(); }
std::unique_ptr<Saboteur> no_mark() { return std::make_unique<NoMark>(); }

} // namespace explorer
