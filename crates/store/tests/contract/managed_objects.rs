//! Which objects files declare.

use gatewright_store::{
    PageRequest,
    managed_object::{Managed, find, list, replace},
    project,
};

use crate::world::{World, commit, contract, look};

contract!(the_marks_of_a_project_are_replaced_together_and_go_with_it);

fn mark(world: &World, id: &str) -> Managed {
    Managed {
        object_id: id.to_owned(),
        name: "Agents".to_owned(),
        file: "acme.yaml".to_owned(),
        applied_at: world.now(),
        object_updated_at: world.now(),
    }
}

async fn the_marks_of_a_project_are_replaced_together_and_go_with_it(world: World) {
    let (one, other) = (world.project().await.id, world.project().await.id);
    let marks = ["gw_1", "gw_2", "src_1"].map(|id| mark(&world, id));
    commit!(world, tx => replace(tx, one, &marks));
    commit!(world, tx => replace(tx, other, &marks[..1]));
    let page = |limit, after: Option<&str>| PageRequest {
        limit,
        after: after.map(str::to_owned),
    };
    let first = look!(world, tx => list(tx, one, &page(2, None)));
    assert_eq!(
        (first.items.as_slice(), first.next.as_deref()),
        (&marks[..2], Some("gw_2"))
    );
    let rest = look!(world, tx => list(tx, one, &page(2, Some("gw_2"))));
    assert_eq!((rest.items.as_slice(), rest.next), (&marks[2..], None));
    commit!(world, tx => replace(tx, one, &marks[1..]));
    assert_eq!(look!(world, tx => find(tx, one, "gw_1")), None);
    assert_eq!(
        look!(world, tx => find(tx, one, "gw_2")).as_ref(),
        Some(&marks[1])
    );
    assert_eq!(
        look!(world, tx => find(tx, other, "gw_1")).as_ref(),
        Some(&marks[0])
    );
    commit!(world, tx => project::delete(tx, one));
    assert_eq!(look!(world, tx => find(tx, one, "gw_2")), None);
}
