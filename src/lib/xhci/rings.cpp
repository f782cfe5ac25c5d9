// SPDX-License-Identifier: MIT
// The word with the cycle bit is written last and read first: it hands the TRB over.
#include "lib/xhci/rings.hpp"

#include <atomic>

namespace lib::xhci {

void ProducerRing::start(DmaMemory memory) {
    trbs_ = reinterpret_cast<Trb*>(memory.bytes);
    physical_ = memory.physical;
    count_ = memory.size / sizeof(Trb);
    next_ = 0;
    cycle_ = true;
    for (std::size_t i = 0; i < count_; ++i) trbs_[i] = {};
}

void ProducerRing::write(std::size_t index, Trb trb) {
    Trb& place = trbs_[index];
    place.parameter = trb.parameter;
    place.status = trb.status;
    std::atomic_ref(place.control)
        .store(trb.control | (cycle_ ? Trb::cycle : 0), std::memory_order_release);
}

std::uint64_t ProducerRing::push(Trb trb) {
    const std::uint64_t at = address(next_);
    write(next_++, trb);
    if (next_ == count_ - 1) {
        write(next_, {physical_, 0, trb_type(TrbType::link) | Trb::toggle_cycle});
        next_ = 0;
        cycle_ = !cycle_;
    }
    return at;
}

void EventRing::start(DmaMemory memory) {
    trbs_ = reinterpret_cast<Trb*>(memory.bytes);
    physical_ = memory.physical;
    count_ = memory.size / sizeof(Trb);
    next_ = 0;
    cycle_ = true;
}

std::optional<Trb> EventRing::pop() {
    Trb& place = trbs_[next_];
    const std::uint32_t control = std::atomic_ref(place.control).load(std::memory_order_acquire);
    if (((control & Trb::cycle) != 0) != cycle_) return std::nullopt;
    const Trb event{place.parameter, place.status, control};
    if (++next_ == count_) {
        next_ = 0;
        cycle_ = !cycle_;
    }
    return event;
}

} // namespace lib::xhci
