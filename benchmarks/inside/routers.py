"""Two routes as any feature has them; they replace src/routers.py."""

from fastapi import APIRouter
from src.auth.dependencies import CurrentUser
from src.auth.managers import UserManager
from src.database.session import DbSession
from src.schemes import DetailResponse

router = APIRouter()
manager = UserManager()


@router.get("/signed-in")
async def signed_in(_: CurrentUser) -> DetailResponse:
    return DetailResponse(detail="ok")


@router.get("/row")
async def row(user: CurrentUser, session: DbSession) -> DetailResponse:
    found = await manager.find_by_id(session, user.id)
    return DetailResponse(detail=found.username if found else "")


routers = [router]
public_routes: list[str] = []
