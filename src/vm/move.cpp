// SPDX-License-Identifier: MIT
// remap, move, share: memory that goes to another place, or another space, or is there too.
#include "vm/transfer.hpp"

namespace vm {

namespace {

constexpr bool overlap(VirtRange one, VirtRange other) {
    return one.start < other.end && other.start < one.end;
}

} // namespace

Result<void> AddressSpace::transfer(const TransferPlan& plan) {
    const Attaching attaching(plan.to.attaching_);
    for (;;) {
        if (plan.shared_by != nullptr) TRY(plan.from.make_object_of(plan.range, *plan.shared_by));
        TRY(Transfer::attach(plan));
        Transfer transfer(plan);
        const auto done = transfer.run();
        if (done || done.error() != Error::would_block) return done;
    }
}

Result<VirtAddr> AddressSpace::receive(AddressSpace& from, const TransferRequest& request,
                                       PageCount pages, const QuotaRef* quota) {
    if (kernel_ || from.kernel_) return Error::unsupported;
    TRY(from.check(request.from));
    if (pages.value == 0 || pages > range_.pages()) return Error::invalid_argument;
    TransferPlan plan{.from = from,
                      .range = request.from,
                      .to = *this,
                      .at = request.address,
                      .pages = pages,
                      .most = request.most,
                      .replace = request.placement == Placement::replace,
                      .shared_by = quota};
    const Visit here(from.translations_);
    const Visit there(translations_);
    if (request.placement == Placement::fixed || plan.replace) {
        const VirtRange range{plan.at, plan.at + pages.bytes()};
        TRY(check(range));
        if (&from == this && overlap(plan.range, range)) return Error::invalid_argument;
        TRY(transfer(plan));
        return plan.at;
    }
    const std::uint64_t alignment = natural_alignment(pages, false);
    const MapRequest place_of{.address = request.address,
                              .pages = pages,
                              .alignment = alignment,
                              .placement = request.placement,
                              .arena = request.arena};
    return place_in_hole(place_of, alignment, [&](VirtAddr at) {
        plan.at = at;
        return transfer(plan);
    });
}

Result<VirtAddr> AddressSpace::move_to(AddressSpace& target, const TransferRequest& request) {
    return target.receive(*this, request, request.from.pages(), nullptr);
}

Result<VirtAddr> AddressSpace::share_with(AddressSpace& target, const TransferRequest& request,
                                          const QuotaRef& quota) {
    return target.receive(*this, request, request.from.pages(), &quota);
}

Result<VirtAddr> AddressSpace::remap(const TransferRequest& request, PageCount pages) {
    TRY(check(request.from));
    if (pages.value == 0 || pages > range_.pages()) return Error::invalid_argument;
    const VirtAddr start = request.from.start;
    const bool given =
        request.placement == Placement::fixed || request.placement == Placement::replace;
    const bool stays = !given || request.address == start;
    if (!stays) return receive(*this, request, pages, nullptr);
    const PageCount old = request.from.pages();
    if (pages < old) TRY(unmap({start + pages.bytes(), request.from.end}));
    if (old < pages) {
        const auto grown = grow(request.from.end, {pages.value - old.value}, abi::Direction::up);
        const bool in_the_way = !grown && (grown.error() == Error::no_space ||
                                           grown.error() == Error::invalid_argument);
        if (in_the_way && !given) return receive(*this, request, pages, nullptr);
        if (!grown) return grown.error();
    }
    return start;
}

} // namespace vm
